"""Downloads of the current view."""
