"""How payloads arrive: read once, archived, signed, registered and only then acknowledged."""
