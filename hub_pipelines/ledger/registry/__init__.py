"""Procurement's tags, as validation asks about them."""
