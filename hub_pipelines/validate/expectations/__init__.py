"""The Great Expectations suites of a ledger: what a campus-day's journal entries must be like to be published.

Belongs here: which expectations follow from a record type's contract and surroundings, having Great Expectations
judge them, its answers in plain words. Not here: where entries, history and known keys come from, the checks on rows
before they post (validate/service.py), what a failed suite stops, Dagster. Begin with suites.
Great Expectations takes seconds to import: it and pandas are imported when a suite runs, never with these modules.
"""
