"""The journal, the ledgers that it folds into, and the one transaction that appends to it."""
