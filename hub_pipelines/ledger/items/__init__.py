"""What the ledgers hold: their items, as they are now and as a version of the ledger left them."""
