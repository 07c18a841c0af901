"""How a file writes its values: decided for each column from all of them, then applied to each cell.

Belongs here: what a column's own values tell of its date order, decimal mark, units and damage. Not here: which column
is which (mapping), what a value must be like (feeds). A value is never read in a way that its column does not bear out:
what stays open is a question (validate.model.Undecided) or an unclear cell.
"""
