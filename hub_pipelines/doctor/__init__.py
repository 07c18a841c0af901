"""Looking for what is wrong with a hub and its machine, and naming what mends it. Nothing is changed by looking."""
