"""Synthetic radiographs: chests, and images that are no chest radiographs."""
