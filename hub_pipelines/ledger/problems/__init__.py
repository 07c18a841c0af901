"""Problems of rows: what was rejected or only remarked, and why."""
