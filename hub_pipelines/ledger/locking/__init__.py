"""Who posts to a ledger at this moment, and who waits for that."""
