"""What stops a whole run."""


class TableError(ValueError):
    """A table that cannot be read or written; says what to do."""
