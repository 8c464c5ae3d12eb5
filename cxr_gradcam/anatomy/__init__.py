"""Outlines of the lungs in a chest radiograph, and the part of the chest at a place."""
