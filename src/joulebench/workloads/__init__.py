"""Workloads: what a trial executes."""
