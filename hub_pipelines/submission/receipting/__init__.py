"""Receipts that are due."""
