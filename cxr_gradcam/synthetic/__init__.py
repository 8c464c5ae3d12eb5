"""Synthetic radiographs: chests, and pictures that are none."""
