"""Trials under a load, end to end: windows, energies, the run table, what is refused."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from joulebench.errors import UsageError
from joulebench.meters.registry import resolve
from joulebench.record import Run, dumps
from joulebench.run_row import row
from joulebench.study_plan import plan
from joulebench.study_read import dump, load, parse
from joulebench.testbed.protocol import run_trial
from joulebench.workloads.registry import build_workload

STUDY: dict[str, Any] = {
    "study": "s",
    "model": "echo",
    "task": "boolq",
    "engine": {"kind": "echo", "token_s": 0.05, "prefill_s": 0.2, "slots": 4},
    "sampling": {"max_tokens": 16, "min_tokens": 16},
    "protocol": {"clock": "virtual", "idle_s": 5.0, "idle_after_s": 5.0, "interval_s": 0.13},
    "meters": [{"simulated": {"board": "a100", "watts": {"idle": 60, "measure": 300}}}],
}
PLAN: dict[str, Any] = {"model": "echo", "task": "boolq", "engine": {"kind": "echo"}}


@pytest.fixture
def trial(tmp_path: Path) -> Callable[..., Run]:
    """Runs a trial on computed time."""

    def run(status: str = "done", **keys: Any) -> Run:
        for room in ("traces", "responses", "logs"):
            (tmp_path / room).mkdir(exist_ok=True)
        planned = plan(parse(STUDY | {"load": keys}, "s"))[0]
        specs = [spec.to_dict() for spec in resolve(planned["meters"])]
        facts = {"host": "h", "testbed": "local"}
        done = run_trial(
            planned | {"meters": specs}, tmp_path, lambda _said: None, facts=facts, root_pid=0
        )
        assert done.status == status, done.error
        dumps(done.to_dict())
        return done

    return run


def answers(folder: Path, run: Run) -> list[dict[str, Any]]:
    lines = (folder / "responses" / f"{run.run_id}.jsonl").read_text().splitlines()
    return [json.loads(each) for each in lines]


@pytest.mark.parametrize(
    "keys",
    [
        {"kind": "closed", "concurrency": 6, "requests": 60},
        {"kind": "open", "rate_per_s": 3.0, "requests": 150},
    ],
    ids=lambda keys: keys["kind"],
)
def test_the_energy_of_all_requests_is_the_measured_energy(
    trial: Callable[..., Run], tmp_path: Path, keys: Mapping[str, Any]
) -> None:
    done = trial(**keys)
    shares = done.facts["attribution"]
    parts = [shares[f"energy_{part}_j"] for part in ("attributed", "idle", "unattributed")]
    measured_j = row(done)["energy_j"]
    assert sum(parts) == pytest.approx(measured_j, rel=1e-9)
    each = [answer["energy_j"] for answer in answers(tmp_path, done)]
    assert len(each) == keys["requests"]
    assert sum(each) == pytest.approx(shares["energy_attributed_j"], rel=1e-9)
    assert shares["requests_cut"] == 0


def test_overlapping_requests_have_no_phases_of_their_own(trial: Callable[..., Run]) -> None:
    done = trial(kind="closed", concurrency=4, requests=40)
    energies = {name for by_window in done.energy.values() for name in by_window}
    assert "steady" in energies
    assert not {"prefill", "decode"} & energies
    in_turn = trial(kind="batch", batch_size=4)
    assert {"prefill", "decode"} <= {name for of in in_turn.energy.values() for name in of}
    assert "steady" not in in_turn.facts["serving"]


def test_the_steady_stretch_stands_in_record_and_table(trial: Callable[..., Run]) -> None:
    done = trial(kind="closed", concurrency=4, requests=400, latency_slo_s=1.5)
    (steady,) = (window for window in done.windows if window.name == "steady")
    told = done.facts["serving"]["steady"]
    assert (steady.start_s, steady.stop_s) == (told["start_s"], told["stop_s"])
    cells = row(done)
    # Four at a time, each for a second, 16 tokens each; the board draws 300 W.
    assert cells["requests_per_s"] == pytest.approx(4.0)
    assert cells["goodput_per_s"] == pytest.approx(4.0)
    assert cells["steady_s"] == pytest.approx(98.0)
    assert cells["steady_tokens_out"] == pytest.approx(98 * 4 * 16)
    assert cells["steady_energy_j"] == pytest.approx(98 * 300, rel=0.01)
    assert (cells["ttft_p50_s"], cells["latency_p99_s"]) == (0.25, 1.0)
    assert "findings" not in cells


def test_overload_is_found_and_named(trial: Callable[..., Run]) -> None:
    done = trial(kind="open", rate_per_s=8.0, requests=300)
    assert [finding.rule for finding in done.findings] == ["no-steady-state"]
    assert "overload" in done.findings[0].message
    assert not any(window.name == "steady" for window in done.windows)
    assert "steady_energy_j" not in row(done)
    # Four slots of a second each.
    assert row(done)["requests_per_s"] == pytest.approx(4.0, rel=0.02)


def test_a_trial_is_the_same_each_time(trial: Callable[..., Run]) -> None:
    keys = {"kind": "open", "rate_per_s": 3.0, "requests": 60}
    assert trial(**keys).facts["serving"] == trial(**keys).facts["serving"]


def test_answers_are_kept_where_what_follows_fails(
    trial: Callable[..., Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise UsageError("the judge is gone")

    monkeypatch.setattr("joulebench.workloads.score.RulesScorer.grade", fail)
    done = trial("failed", kind="closed", concurrency=4, requests=40)
    assert done.error == "the judge is gone"
    assert len(answers(tmp_path, done)) == done.work["requests"] == 40
    assert done.facts["serving"]["requests_per_s"] == pytest.approx(4.0)


def test_answers_stand_in_the_order_asked_whichever_came_first() -> None:
    load = {"kind": "closed", "concurrency": 6, "requests": 24}
    engine = {"kind": "echo", "token_s": 0.01}
    protocol = {"clock": "virtual"}
    result = build_workload(PLAN | {"load": load, "engine": engine, "protocol": protocol}).run()
    asked = [request.request_id for request in result.requests]
    assert [response.request_id for response in result.responses] == asked
    stops_s = [response.stop_s for response in result.responses]
    assert stops_s != sorted(stops_s)


@pytest.mark.parametrize("count", [{}, {"requests": 5}])
def test_a_trace_that_is_too_short_is_refused_before_anything_runs(
    tmp_path: Path, count: dict[str, int]
) -> None:
    file = tmp_path / "trace.txt"
    file.write_text("0\n1\n2\n3\n")
    load = {"kind": "open", "arrivals": "trace", "trace": str(file)}
    with pytest.raises(UsageError, match=f"4 arrivals for {count.get('requests', 12)} requests"):
        build_workload(PLAN | {"load": load | count})
    build_workload(PLAN | {"load": load | {"requests": 4}})
    build_workload(PLAN | {"load": load, "tasks": {"items": 4}})


def test_a_judge_that_only_waits_judges_on_computed_time(tmp_path: Path) -> None:
    for room in ("traces", "responses", "logs"):
        (tmp_path / room).mkdir()
    verdict = '{"verdict": "correct", "why": "it is"}'
    engine = {"kind": "echo", "answer": verdict, "load_s": 20, "token_s": 0.5}
    judge = {"kind": "judge", "model": "imagined", "batch_size": 4, "engine": engine}
    watts = {"idle": 60, "measure": 300, "judge": 200}
    study = STUDY | {"tasks": {"items": 8, "score": judge},
                     "meters": [{"simulated": {"board": "a100", "watts": watts}}]}  # fmt: skip
    planned = plan(parse(study, "s"))[0]
    specs = [spec.to_dict() for spec in resolve(planned["meters"])]
    facts = {"host": "h", "testbed": "local"}
    done = run_trial(
        planned | {"meters": specs}, tmp_path, lambda _said: None, facts=facts, root_pid=0
    )
    assert (done.status, done.error) == ("done", None)
    assert (done.score or {})["accuracy"] == 1.0
    (window,) = (window for window in done.windows if window.name == "judge")
    # Loading takes 20 s; two batches of 4 verdicts, of 4 words of half a second each.
    assert window.duration_s == pytest.approx(20 + 2 * len(verdict.split()) * 0.5)
    assert row(done)["judge_energy_j"] == pytest.approx(200 * window.duration_s, rel=0.02)


def test_a_rate_is_a_factor() -> None:
    study = STUDY | {"factors": {"rate_per_s": [1, 2.5]}, "load": {"kind": "open"}}
    assert {each["load"]["rate_per_s"] for each in plan(parse(study, "s"))} == {1.0, 2.5}
    users = STUDY | {"factors": {"concurrency": [1, 8]}, "load": {"kind": "closed"}}
    assert {each["load"]["concurrency"] for each in plan(parse(users, "s"))} == {1, 8}
    assert parse(dump(parse(study, "s")), "again") == parse(study, "s")


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"rate_per_s": 2.0}, "rate_per_s needs kind: open"),
        ({"kind": "closed", "arrivals": "constant"}, "arrivals: constant needs kind: open"),
        ({"kind": "open", "trace": "x"}, "trace needs arrivals: trace"),
        ({"kind": "closed", "trace": "x"}, "trace needs kind: open"),
        (
            {"kind": "open", "arrivals": "trace", "trace": "x", "rate_per_s": 1.0},
            "exclude each other",
        ),
        ({"kind": "batch", "concurrency": 2}, "concurrency above 1 needs kind: closed"),
        ({"batch_size": 2}, "batch_size above 1 needs kind: batch"),
        ({"kind": "opn"}, "opn"),
        ({"kind": "open", "arrivals": "evenly"}, "evenly"),
        ({"kind": "open", "rate_per_s": 0.0}, "rate_per_s"),
        ({"kind": "open", "rate_per_s": math.inf}, "rate_per_s"),
        ({"requests": 0}, "requests"),
        ({"requests": 1_000_001}, "requests"),
        ({"ttft_slo_s": -1.0}, "ttft_slo_s"),
        ({"kind": "closed", "concurrency": 0}, "concurrency"),
    ],
)
def test_what_does_not_belong_to_the_kind_is_refused(keys: dict[str, Any], says: str) -> None:
    """In a study file, and in a plan that came without one."""
    for read in (
        lambda: parse(STUDY | {"load": keys}, "s"),
        lambda: build_workload(PLAN | {"load": keys}),
    ):
        with pytest.raises(UsageError) as error:
            read()
        assert says in str(error.value)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"kind": "open"}, "needs rate_per_s"),
        ({"kind": "open", "arrivals": "trace"}, "needs trace"),
        ({"kind": "open", "arrivals": "trace", "trace": "/none.txt"}, "/none.txt: cannot be read"),
        ({"kind": "open", "rate_per_s": "2"}, "rate_per_s = '2' must be of type float"),
        ({"kind": "open", "rate_per_s": True}, "rate_per_s = True must be of type float"),
    ],
)
def test_what_is_missing_is_asked_for(keys: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError) as error:
        build_workload(PLAN | {"load": keys})
    assert says in str(error.value)


def test_a_trace_is_found_beside_its_study(tmp_path: Path) -> None:
    (tmp_path / "arrivals.txt").write_text("0\n1\n")
    file = tmp_path / "study.yaml"
    told = {"kind": "open", "arrivals": "trace", "trace": "arrivals.txt"}
    file.write_text(json.dumps(STUDY | {"load": told}))
    assert load(str(file)).load.trace == str((tmp_path / "arrivals.txt").resolve())
    file.write_text(json.dumps(STUDY | {"load": {"kind": "closed", "trace": ""}}))
    assert load(str(file)).load.trace == ""


@pytest.mark.parametrize("slots", [0, -1, True, 1.5, "2"])
def test_an_echo_has_at_least_one_slot(slots: object) -> None:
    with pytest.raises(UsageError, match="slots"):
        build_workload(PLAN | {"engine": {"kind": "echo", "slots": slots}})


def test_an_echo_tells_its_slots_and_when_its_tokens_came(trial: Callable[..., Run]) -> None:
    facts = trial(kind="closed", concurrency=2).facts
    assert facts["engine"]["slots"] == 4
    assert facts["serving"]["itl_s"]["max"] == pytest.approx(0.05)
