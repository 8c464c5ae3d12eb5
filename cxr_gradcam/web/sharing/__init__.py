"""Links that share a view: the question and the display, never the image."""
