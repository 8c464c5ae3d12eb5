"""A second picture beside the open radiograph: a prior, or another answer about the same one."""
