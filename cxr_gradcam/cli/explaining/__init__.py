"""What `explain` takes, asks and says."""
