"""The right to work on a submission."""
