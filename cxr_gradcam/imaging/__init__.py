"""Files and pixels; nothing here knows torch."""
