"""The verdicts on a table's rows, column by column: the second execution of the contracts (decisions/0060)."""
