"""From waiting messages to batches: each batch one submission, whatever crashes between the two databases."""
