"""Which submissions have a partition in Dagster."""
