"""What a posting's rows replace in the ledger: remarks about it, and lines that are closed because of it.

Belongs here: the comparisons (decisions/0053, decisions/0054). Not here: posting (ledger/posting/store.py), telling it.
"""
