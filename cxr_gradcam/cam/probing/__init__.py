"""Learn the structure of any classifier from forward passes of noise."""
