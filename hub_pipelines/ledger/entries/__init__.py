"""Journal entries as a posting has made them, and whether the journal and its fold are whole."""
