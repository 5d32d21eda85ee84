"""Floating-point work: what devices can do at most, and from which document that is known."""
