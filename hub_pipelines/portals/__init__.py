"""Portals of others: polled politely, each record taken once, no failed read taken for an empty one."""
