"""Portals of others: polled politely, each record taken once for each of its contents, no failed read taken for an empty
one."""
