"""Arrays in, arrays out. Knows nothing of HTTP, DICOM or medicine."""
