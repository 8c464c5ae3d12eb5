"""What forward passes of noise tell of any classifier."""
