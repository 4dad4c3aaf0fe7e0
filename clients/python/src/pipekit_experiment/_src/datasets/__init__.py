"""Data sets: files with a hash, and calls to the DatasetService."""
