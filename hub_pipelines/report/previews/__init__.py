"""Receipts of previews: what a file would do, told to whoever asked.

Belongs here: facts, words and page. Not here: finding out (previewing.py at the top).
"""
