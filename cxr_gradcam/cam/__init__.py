"""Class activation maps for any network."""
