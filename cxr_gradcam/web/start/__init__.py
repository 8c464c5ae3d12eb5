"""What a visitor meets first: the bar, the look, the examples and the place to drop."""
