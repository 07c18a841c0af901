"""Sample files that `hub demo` drops; data only."""
