"""One explanation as a page to keep: PDF or JSON."""
