"""To and from an archive: results as DICOM objects, a DICOM node, DICOMweb.

The only part that opens the full header of a file. Patient and study go nowhere but into the
results, which belong to the same study.
"""
