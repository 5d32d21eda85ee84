"""Rules on loads and judges: each fires at its limit, and not below it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from runs import view

from joulebench.audit.catalogue import rules
from joulebench.audit.digest import digest
from joulebench.audit.evidence import Evidence, Unit
from joulebench.audit.read_table import recomputed_table
from joulebench.channel import Channel, Window
from joulebench.energy import Trace
from joulebench.finding import Finding

Facts = dict[str, Any]

STEADY: Facts = {"found": True, "why": "", "start_s": 1.0, "stop_s": 2.0}
LATENCY: Facts = {"mean": 1.0, "p50": 1.0, "p95": 2.0, "p99": 3.0, "max": 4.0}
SERVING: Facts = {"n": 80, "latency_s": LATENCY, "steady": STEADY,
                  "slo": {"ttft_s": 0.5}, "good": 1, "goodput_per_s": 0.1}  # fmt: skip
JUDGE: Facts = {"missing": 4, "agreement": {"rules": {"n": 76, "agreed": 61, "kappa": 0.6,
                                                      "low": 0.4, "high": 0.8}}}  # fmt: skip


def found(
    facts: Mapping[str, Any], responses: Sequence[Mapping[str, Any]] = (), **record: Any
) -> dict[str, Finding]:
    record.setdefault("work", {"requests": 80})
    subject = view(responses=responses, facts=dict(facts), **record)
    checks = [rule.run for rule in rules() if rule.group == "serving" and rule.run is not None]
    assert len(checks) == 9
    return {finding.rule: finding for check in checks for finding in check(subject)}


def test_a_load_that_was_served_has_no_finding() -> None:
    facts = {"serving": SERVING, "judge": JUDGE, "engine": {"prefix_caching": True},
             "arrivals": {"late_s": {"mean": 0.05, "max": 0.2}}}  # fmt: skip
    windows = [Window("measure", 0.0, 5.0), Window("judge", 5.0, 6.0)]
    answers = [{"prompt": "a"}, {"prompt": "b"}]
    assert found(facts, answers, windows=windows) == {}


def test_runs_of_others_are_left_alone() -> None:
    assert found({}) == {}
    assert found({"serving": "fast", "judge": 3, "engine": None, "arrivals": []}) == {}
    assert found({"serving": {**SERVING, "good": 0, "slo": ["fast"]}}) == {}
    odd = found({"serving": {**SERVING, "good": 0, "slo": {"a": "b"}}})
    assert "(a nan)" in odd["slo-never-met"].message


def test_what_a_scheduler_may_cause_is_no_lateness() -> None:
    quick = {"serving": {**SERVING, "latency_s": {**LATENCY, "mean": 0.01}}}
    assert found(quick | {"arrivals": {"late_s": {"mean": 0.0009}}}) == {}
    late = found(quick | {"arrivals": {"late_s": {"mean": 0.0011}}})["arrivals-late"]
    assert late.possible == "up to 0.001 s"


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("no-steady-state", {"serving": {**SERVING, "steady": {"found": False, "why": "short"}}}),
        ("slo-never-met", {"serving": {**SERVING, "good": 0}}),
        ("arrivals-late", {"serving": SERVING, "arrivals": {"late_s": {"mean": 0.0501}}}),
        ("tokens-from-chunks", {"engine": {"counted_by_chunks": 1}}),
        ("judge-missing", {"judge": {**JUDGE, "missing": 5}}),
        ("judge-disagrees", {"judge": {"agreement": {"human": {"kappa": 0.59, "n": 9}}}}),
    ],
)
def test_each_is_seen_alone(name: str, facts: Facts) -> None:
    finding = found(facts)
    assert list(finding) == [name]
    assert finding[name].severity == "warning"
    assert finding[name].remedy


def test_a_queue_that_grows_is_said_beside_the_missing_steady_state() -> None:
    steady = {"found": False, "why": "overload", "overload": True}
    seen = found({"serving": {**SERVING, "steady": steady}})
    assert set(seen) == {"queue-grows", "no-steady-state"}
    assert seen["queue-grows"].seen == "latency p99 3 s"


@pytest.mark.parametrize("rule", ["no-steady-state", "arrivals-late"])
def test_what_the_run_says_itself_is_not_said_twice(rule: str) -> None:
    facts = {"serving": {**SERVING, "steady": {"found": False, "why": "short"}},
             "arrivals": {"late_s": {"mean": 1.0}}}  # fmt: skip
    said = Finding(rule, "warning", "load", "seen", "mend")
    assert rule in found(facts)
    assert rule not in found(facts, findings=[said])


def test_tokens_counted_by_pieces_are_seen_in_the_answers_too() -> None:
    answers = [{"prompt": "a", "tokens_from": "chunks"}, {"prompt": "b", "tokens_from": "usage"}]
    assert found({}, answers)["tokens-from-chunks"].seen == "1 answers"
    assert found({"engine": {"counted_by_chunks": 0}}, answers) == {}


def test_prompts_asked_again_matter_where_prefixes_are_cached() -> None:
    answers = [{"prompt": "a"}, {"prompt": "a"}, {"prompt": "b"}]
    seen = found({"engine": {"prefix_caching": True}}, answers)
    assert seen["cached-prompts"].seen == "1 repeated prompts"
    assert found({"engine": {"prefix_caching": False}}, answers) == {}
    assert found({"engine": {}}, answers) == {}


def test_a_judge_at_work_while_the_energy_was_measured_is_an_error() -> None:
    windows = [Window("measure", 0.0, 5.0), Window("judge", 4.5, 6.0)]
    seen = found({"judge": JUDGE}, windows=windows)
    assert list(seen) == ["judge-in-window"]
    assert seen["judge-in-window"].severity == "error"
    assert seen["judge-in-window"].seen == "0.5 s"


def test_a_kappa_that_is_not_known_is_no_disagreement() -> None:
    agreement = {"rules": {"n": 5, "agreed": 5, "kappa": None, "low": None, "high": None}}
    assert found({"judge": {"agreement": agreement}}) == {}


@pytest.mark.parametrize(("agreed", "seen"), [(79, True), (80, False)])
def test_a_judge_that_says_one_thing_of_all_disagrees_by_share(agreed: int, seen: bool) -> None:
    told = {"n": 100, "agreed": agreed, "kappa": None, "no_kappa": "the judge grades all alike"}
    rules = found({"judge": {"agreement": {"rules": told}}})
    assert ("judge-disagrees" in rules) == seen
    if seen:
        assert "79 of 100 answers (the judge grades all alike)" in rules["judge-disagrees"].message


def test_the_interval_of_kappa_is_told_where_it_is_known() -> None:
    agreement = {"human": {"n": 10, "agreed": 6, "kappa": 0.2, "low": -0.4, "high": 0.8}}
    message = found({"judge": {"agreement": agreement}})["judge-disagrees"].message
    assert "-0.40 to 0.80" in message
    assert "people agree on 6 of 10" in message


def repeated(*loads: Facts) -> list[Finding]:
    """Give what is said of runs that put one of two prompts twice, each with a load."""
    unit = Unit("made-up", Path(), "study", {}, {}, len(loads), view=lambda _: view())
    for place, load in enumerate(loads):
        answers = [{"prompt": text, "text": f"{text}{place}"} for text in ("a", "a", "b")]
        unit.keep(place, digest(view(responses=answers, facts={"load": load})))
    (check,) = (rule.evidence for rule in rules() if rule.name == "repeated-items")
    assert check is not None
    return list(check(Evidence([unit])))


def test_prompts_that_the_load_asks_again_are_a_note() -> None:
    (asked,) = repeated({"kind": "closed", "requests": 3}, {"kind": "closed", "requests": 3})
    assert asked.severity == "note"
    assert "load.requests" in asked.remedy
    (not_asked,) = repeated({"kind": "closed", "requests": 3}, {"kind": "sequential"})
    assert not_asked.severity == "warning"


def test_times_that_were_computed_are_no_copies() -> None:
    def columns(clock: str) -> set[str]:
        t_s = np.arange(0.0, 10.0, 0.1)
        trace = Trace(Channel("gpu0:power", "W", scope="gpu board"), t_s, np.full(t_s.size, 100.0))
        subject = view([trace], Window("measure", 1.0, 9.0), facts={"clock": clock})
        table = recomputed_table("made-up", [digest(subject)], ())
        assert table is not None
        return set(table.columns)

    assert columns("real") - columns("virtual") == {"duration_s"}
    assert "energy_j" in columns("virtual")
