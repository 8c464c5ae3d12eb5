"""Files that the page makes of what it shows."""
