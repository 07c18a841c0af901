"""The returned workbook: the sender's own file with the problems marked, and what becomes of it when it comes back."""
