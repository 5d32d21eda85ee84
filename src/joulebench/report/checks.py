"""Checks that only a whole study shows: machines mixed, traces that are not there."""

from __future__ import annotations

from joulebench.finding import Finding
from joulebench.report.evidence import Evidence, cell_groups


def study_checks(evidence: Evidence) -> list[Finding]:
    """Give what does not pass."""
    found = [_several_hosts(evidence), _missing_traces(evidence)]
    return [finding for finding in found if finding is not None]


def _several_hosts(evidence: Evidence) -> Finding | None:
    """Say whether runs of several machines are averaged, or differ in more than their factors."""
    hosts = dict.fromkeys(each.run.host for each in evidence.readings if each.run.host)
    if len(hosts) < 2:
        return None
    cells = [{each.run.host for each in group} for group in cell_groups(evidence)]
    mixed = sum(len(found) > 1 for found in cells)
    what = (
        f"{mixed} of {len(cells)} cells average runs of different machines"
        if mixed
        else "cells were run on different machines, so that a contrast may be one of machines"
    )
    return Finding(
        "several-hosts",
        "warning",
        "hosts",
        f"The runs come from {len(hosts)} machines: {what}.",
        "Run every cell on one machine, or make the machine a factor.",
        ", ".join(hosts),
        "1 machine",
    )


def _missing_traces(evidence: Evidence) -> Finding | None:
    path = evidence.table.trace_path
    missing = [e.run.run_id for e in evidence.readings if not path(e.run.run_id).exists()]
    if not missing:
        return None
    return Finding(
        "trace-missing",
        "note",
        missing[0],
        "Runs have no stored traces, so they cannot be drawn or integrated again.",
        "Restore the folder traces from a copy; the energies in the records stand without it.",
        f"{len(missing)} of {len(evidence.readings)} runs",
        "0",
    )
