"""Sending systems: who may send messages for which campuses and feeds, and by which keys they are recognised."""
