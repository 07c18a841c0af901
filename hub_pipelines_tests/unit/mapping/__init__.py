"""Column mapping."""
