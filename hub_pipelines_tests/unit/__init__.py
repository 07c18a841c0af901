"""Tests of one stage each, on real files and an embedded database."""
