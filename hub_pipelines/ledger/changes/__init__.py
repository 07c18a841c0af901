"""How items have changed: one item's journal entries, and what is new in a ledger since one of its versions."""
