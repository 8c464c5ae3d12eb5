"""Many files in one page: a list that is filled file by file."""
