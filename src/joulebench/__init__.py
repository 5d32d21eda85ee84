"""Joulebench measures, audits, compares and explains the energy of language models."""

__version__ = "0.1.0"
