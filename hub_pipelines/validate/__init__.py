"""From a received file to a verdict on each of its rows.

Belongs here: reading tables, naming columns, the feeds' contracts, checking rows, staging the verdicts.
Not here: where files come from, what happens to a verdict afterwards, Dagster and the database.
"""
