"""Training, and what is fitted to validation images afterwards."""
