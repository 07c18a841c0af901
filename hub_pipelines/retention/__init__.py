"""How long what is kept, what a legal hold covers, and removing what can be made again."""
