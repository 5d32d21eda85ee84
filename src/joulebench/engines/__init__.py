"""Engines: what turns requests into responses."""
