"""Folders of radiographs: labels, patients, and where lesions lie."""
