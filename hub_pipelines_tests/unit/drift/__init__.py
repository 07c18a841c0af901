"""Header shapes, what changed between two, and migrations at work."""
