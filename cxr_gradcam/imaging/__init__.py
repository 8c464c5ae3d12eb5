"""Radiographs from files, and images of heat maps; without torch."""
