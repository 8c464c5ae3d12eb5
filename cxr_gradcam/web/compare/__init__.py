"""What stands beside the open radiograph."""
