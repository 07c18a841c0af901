"""A child that never says a word: `python -m` runs it in place of the real one. For test_child.py."""

while True:
    pass
