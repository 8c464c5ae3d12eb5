"""Studies of trust: whether maps are stable, follow the answer, and mark what it depends on."""
