"""The data platform of a University Research Automation Hub: see ARCHITECTURE.md beside this file."""

__version__ = "0.1.0"
