"""What could not be posted and waits for a person. Nothing is ever dropped."""
