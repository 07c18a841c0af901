"""The one transaction that appends to the journal."""
