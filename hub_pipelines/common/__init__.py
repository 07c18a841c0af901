"""What every stage may use and nothing that knows a stage: errors, clock, canonical bytes, scopes, database."""
