"""The page of findings about awards, for those who decide what is done about them."""
