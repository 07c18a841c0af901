"""Versions of one list."""
