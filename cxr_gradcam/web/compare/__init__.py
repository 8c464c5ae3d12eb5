"""What stands beside the open radiograph: a prior, or another answer about the same picture."""
