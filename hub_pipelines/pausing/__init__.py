"""Feeds that an operator has stopped for a while: files come in, no run is launched."""
