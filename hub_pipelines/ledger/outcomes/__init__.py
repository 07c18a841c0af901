"""What each posting came to: the record that makes posting exactly once."""
