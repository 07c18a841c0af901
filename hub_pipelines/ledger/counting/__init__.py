"""Complete counts: what a file that lists all that is at its locations does not list (decisions/0050).

Belongs here: deciding what a count misses, and keeping it. Not here: posting (ledger/posting/store.py), telling it.
"""
