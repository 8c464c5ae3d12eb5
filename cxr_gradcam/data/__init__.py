"""Folders of radiographs: labels, patients and positions of lesions."""
