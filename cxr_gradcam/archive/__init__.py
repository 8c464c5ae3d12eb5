"""To and from an archive: results as DICOM objects, a DICOM node, DICOMweb.

The only part that opens the full header of a file. Nothing of it goes anywhere but into the
results, which belong to the patient's own study.
"""
