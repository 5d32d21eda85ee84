"""Threats to validity, in our own results or in anybody's."""
