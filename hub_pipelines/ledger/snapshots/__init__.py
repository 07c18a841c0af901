"""Published copies of the journal, one file for each record type, campus and day."""
