"""DICOM: from a file to grey values, and no further into what it says of the patient."""
