"""How good a model and its maps are: each study whole."""
