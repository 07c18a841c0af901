"""Quantities that messages adjust: what sets and adjustments make together, in whatever order they come."""
