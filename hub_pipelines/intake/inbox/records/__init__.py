"""Which version of each record that the hub has read itself is known."""
