"""Append-only, hash-chained record of who did what to which submission, one chain per campus."""
