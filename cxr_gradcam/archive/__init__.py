"""Exchange with an archive: results as DICOM objects, a DICOM node, DICOMweb.

Only this package reads the full header of a file. Patient and study attributes are written only
into the results, which belong to the same study.
"""
