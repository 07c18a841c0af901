"""Values that the hub never writes."""
