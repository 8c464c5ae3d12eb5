"""What can be explained, and what travels with its weights."""
