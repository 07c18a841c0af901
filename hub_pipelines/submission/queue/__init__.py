"""What waits for a run."""
