"""People's decisions about submissions."""
