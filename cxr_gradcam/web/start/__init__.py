"""What a visitor meets first: the examples, and what to do and to know."""
