"""The start of the page: the bar, the theme, the examples and the drop area."""
