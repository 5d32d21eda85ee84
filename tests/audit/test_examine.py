"""Applying rules: what cannot be read or judged keeps nothing else from being judged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from runs import view
from tables import table

import joulebench as jb
from joulebench.audit import examine as examining
from joulebench.audit.evidence import Evidence, Unit
from joulebench.audit.rule import Rule
from joulebench.audit.run_view import AuditRun
from joulebench.audit.table import AuditTable
from joulebench.channel import Channel, Window
from joulebench.energy import Trace
from joulebench.errors import UsageError
from joulebench.finding import Finding

POWER = Channel("gpu0:power", "W", gain=0.03, scope="gpu board")


def _run(place: int) -> AuditRun:
    if place in (1, 2):
        raise UsageError(f"/data/run_{place}/log.csv line 7: no number; mend the line")
    rng = np.random.default_rng(place)
    t_s = np.arange(0.0, 60.0, 0.1)
    trace = Trace(POWER, t_s, 200.0 + rng.normal(0, 5, t_s.size))
    return view([trace], Window("measure", 5.0, 55.0), run_id=f"run_{place}")


def test_a_run_that_cannot_be_read_is_told_and_the_others_are_looked_at() -> None:
    unit = Unit("u", Path("u"), "energibridge", {}, {}, 4, _run)
    examined = examining.examine(Evidence([unit]))
    told = [f for f in examined.findings if f.rule == "unreadable"]
    assert [f.where for f in told] == ["u: run_1/log.csv", "u: run_2/log.csv"]
    assert "line 7" in told[0].message
    assert unit.places == [0, 3]
    assert [each.run.run_id for each in unit.digests] == ["run_0", "run_3"]


def test_a_rule_that_stumbles_is_told_and_the_others_look(monkeypatch: pytest.MonkeyPatch) -> None:
    def stumbles(_: AuditTable) -> Iterator[Finding]:
        raise LookupError("no such thing")

    def finds(subject: AuditTable) -> Iterator[Finding]:
        yield Finding("sees", "error", subject.name, "seen", "mend it")

    pair = (Rule("stumbles", "data", table=stumbles), Rule("sees", "data", table=finds))
    monkeypatch.setattr(examining, "rules", lambda: pair)
    examined = examining.examine(Evidence(tables=[table({"energy_j": [1.0]})]))
    assert [(f.severity, f.rule) for f in examined.findings] == [
        ("error", "sees"), ("note", "not-checked"),
    ]  # fmt: skip
    assert examined.verdict == "wrong"


def test_the_library_audits_paths(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("model,gpu_energy_j,duration_s\na,301.2,-3.1\nb,298.4,3.2\n")
    examined = jb.examine_results(path, devices=["a100"])
    assert "negative-energy" in {finding.rule for finding in examined.findings}


def test_verdicts_follow_the_worst_finding() -> None:
    worst = {"error": "wrong", "warning": "doubtful", "note": "sound"}
    for severity, verdict in worst.items():
        finding = Finding("r", severity, "w", "m", "x")
        assert examining.Examined(Evidence(), (finding,)).verdict == verdict
    assert examining.Examined(Evidence(), ()).verdict == "sound"
