"""Published figures held against the traces that they are said to be of.

Every published energy, power, duration and count whose run left its traces is recomputed. Where it
differs, the way in which it was made is sought among those that people take (see
:mod:`joulebench.audit.variants`), and the finding names it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property, partial
from weakref import WeakKeyDictionary

import numpy as np

from joulebench.audit.evidence import Evidence
from joulebench.audit.joint_count_findings import count_findings
from joulebench.audit.joint_counts import CountFit, count_fits
from joulebench.audit.joint_findings import energy_findings
from joulebench.audit.joint_fit import Fit
from joulebench.audit.joint_rows import Joined, join
from joulebench.audit.joint_search import fits
from joulebench.audit.joint_space import MOST_ROWS, Space
from joulebench.audit.rule import Rule
from joulebench.finding import Finding

NAMES = {
    "double-counted-channel": "energy",
    "nested-domains-added": "energy",
    "assumed-constant-step": "energy",
    "tail-not-integrated": "energy",
    "edge-uncertainty": "energy",
    "counter-wrap": "energy",
    "energy-not-power-times-time": "energy",
    "scope-mismatch": "energy",
    "stale-summary": "energy",
    "unexplained-difference": "energy",
    "unit-scale": "data",
    "decimal-comma": "data",
    "mislabelled-row": "design",
}
"""Rules that a published figure may break beside its traces, with their groups."""


class Explained:
    """What is known of how every published column was made.

    Args:
        evidence: All digests and tables.
    """

    def __init__(self, evidence: Evidence) -> None:
        self.joined = join(evidence)
        self.fits: list[Fit] = []
        self.counts: list[CountFit] = []
        for each in self.joined:
            space = Space(_sampled(each))
            self.fits += fits(each, space)
            self.counts += count_fits(each)

    @cached_property
    def findings(self) -> list[Finding]:
        """Everything that does not agree."""
        found = [finding for fit in self.fits for finding in energy_findings(fit)]
        return found + [finding for fit in self.counts for finding in count_findings(fit)]


_known: WeakKeyDictionary[Evidence, tuple[tuple[int, int], Explained]] = WeakKeyDictionary()


def explained(evidence: Evidence) -> Explained:
    """Hold all published columns against the traces, once for each body of evidence."""
    size = len(evidence.digests), len(evidence.tables)
    stored = _known.get(evidence)
    if stored is None or stored[0] != size:
        stored = size, Explained(evidence)
        _known[evidence] = stored
    return stored[1]


def _sampled(joined: Joined) -> Joined:
    """Choose rows, evenly over the table, that hypotheses are searched on."""
    if len(joined) <= MOST_ROWS:
        return joined
    picked = np.unique(np.linspace(0, len(joined) - 1, MOST_ROWS).astype(np.intp))
    return Joined(joined.table, joined.rows[picked], [joined.digests[i] for i in picked])


def _of_rule(name: str, evidence: Evidence) -> Iterator[Finding]:
    yield from (each for each in explained(evidence).findings if each.rule == name)


RULES: tuple[Rule, ...] = tuple(
    Rule(name, group, evidence=partial(_of_rule, name)) for name, group in NAMES.items()
)
