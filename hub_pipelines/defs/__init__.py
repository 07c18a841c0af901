"""All that Dagster loads. Each module holds one of its concepts; bodies call the plain code of the stages."""
