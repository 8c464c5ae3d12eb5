"""Studies of the outlined lungs: how good they are, and what a place in them tells."""
