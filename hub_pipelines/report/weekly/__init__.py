"""The weekly review: what failed in a week, what was decided, and what still waits."""
