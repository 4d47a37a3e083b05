"""Fetching and reading what GEO holds."""
