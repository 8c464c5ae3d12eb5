"""DICOM: grey values and stored values of a file; nothing about the patient is parsed."""
