"""Signed statements about the ends of the audit chains, and what they prove to somebody who holds a public key only."""
