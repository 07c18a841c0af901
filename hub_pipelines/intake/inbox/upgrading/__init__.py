"""Inboxes of earlier releases."""
