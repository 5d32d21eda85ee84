"""One study run here, over HTTP and on Slurm gives the same records, but for where and when.

On a virtual clock they are equal to the last digit; on a real one the energies of a known power
agree within their intervals.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from service_server import TOKEN, Server
from slurm_cluster import SlurmCluster

from joulebench.energy import Energy
from joulebench.record import RunTable
from joulebench.run_row import headline_energy
from joulebench.study import run
from joulebench.study_read import differences, parse

STUDY: dict[str, Any] = {
    "study": "places",
    "model": "echo",
    "factors": {"task": ["boolq", "copa"], "max_tokens": [4, 8]},
    "repetitions": 2,
    "engine": {"kind": "echo", "token_s": 0.02, "prefill_s": 0.05},
    "tasks": {"items": 2},
    "sampling": {"temperature": 0.7},
    "meters": [{"simulated": {"board": "a100", "watts": 250}}],
}
VIRTUAL = {"idle_s": 10.0, "idle_after_s": 2.0, "warmup_prompts": 1, "clock": "virtual"}
REAL = {"idle_s": 0.3, "idle_after_s": 0.1, "warmup_prompts": 0, "interval_s": 0.02}

OF_THE_PLACE = ("host", "testbed", "started_at")
FACTS_OF_THE_PLACE = ("wall_s", "process", "imported", "slurm", "log_tail")


def records(folder: Path, protocol: dict[str, Any], testbeds: list[Any]) -> dict[str, Any]:
    """Run the study somewhere, and give its records by id."""
    study = parse(STUDY | {"protocol": protocol, "testbeds": testbeds}, "places.yaml")
    outcome = run(study, folder, report=False)
    assert not outcome.failed
    return {each.run_id: each.to_dict() for each in RunTable.load(folder).runs}


def without_place(record: dict[str, Any]) -> dict[str, Any]:
    """Leave out of a record what says where and when it was made."""
    facts = {k: v for k, v in record["facts"].items() if k not in FACTS_OF_THE_PLACE}
    return {k: v for k, v in record.items() if k not in OF_THE_PLACE} | {"facts": facts}


def differing(a: dict[str, Any], b: dict[str, Any]) -> list[str]:
    """Name what differs between two records besides the place."""
    return differences(without_place(a), without_place(b))


def over_http(tmp_path: Path, protocol: dict[str, Any]) -> dict[str, Any]:
    server = Server(tmp_path / "server")
    try:
        return records(tmp_path / "http", protocol, [{"url": server.url}])
    finally:
        server.end()


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOULEBENCH_TOKEN", TOKEN)


def test_a_virtual_study_gives_the_same_records_over_http(tmp_path: Path) -> None:
    here = records(tmp_path / "here", VIRTUAL, [])
    there = over_http(tmp_path, VIRTUAL)
    assert len(here) == 8
    assert {r["testbed"] for r in here.values()} != {r["testbed"] for r in there.values()}
    for run_id, record in here.items():
        assert differing(there[run_id], record) == [], run_id
    for kind in ("traces", "responses"):
        for path in sorted((tmp_path / "here" / kind).iterdir()):
            assert (tmp_path / "http" / kind / path.name).read_bytes() == path.read_bytes()


def test_a_virtual_study_gives_the_same_records_on_slurm(
    tmp_path_factory: pytest.TempPathFactory,
    program: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("submitit")
    tmp_path = tmp_path_factory.mktemp("p")
    here = records(tmp_path / "here", VIRTUAL, [])
    with SlurmCluster(tmp_path_factory.mktemp("c"), program) as cluster:
        monkeypatch.setenv("SLURM_CONF", str(cluster.conf))
        there = records(tmp_path / "slurm", VIRTUAL, [{"slurm": {"jobs": 2, "time": "5"}}])
    for run_id, record in here.items():
        assert differing(there[run_id], record) == [], run_id
    assert all(record["facts"]["slurm"] for record in there.values())


def test_a_real_study_gives_energies_that_agree(tmp_path: Path) -> None:
    here = records(tmp_path / "here", REAL, [])
    there = over_http(tmp_path, REAL)
    energies = [_energies(tmp_path / "here"), _energies(tmp_path / "http")]
    for run_id in here.keys() & there.keys():
        a, b = (each[run_id] for each in energies)
        # One known power on both: only the lengths differ, by what starting a request takes.
        lengths = [_length_s(each[run_id]) for each in (here, there)]
        allowed = a.half_width_95_j + b.half_width_95_j
        allowed += 250.0 * abs(lengths[0] - lengths[1])
        assert abs(a.joules - b.joules) <= allowed, f"{run_id}: {a} here, {b} there"


def _energies(folder: Path) -> dict[str, Energy]:
    found = {each.run_id: headline_energy(each) for each in RunTable.load(folder).runs}
    assert all(found.values())
    return {run_id: energy for run_id, energy in found.items() if energy is not None}


def _length_s(record: dict[str, Any]) -> float:
    lengths = [w["stop_s"] - w["start_s"] for w in record["windows"] if w["name"] == "measure"]
    return float(sum(lengths))


def test_what_is_left_out_is_small() -> None:
    record = {"run_id": "a", "host": "h", "facts": {"wall_s": 1.0, "engine": {"kind": "echo"}}}
    assert json.dumps(without_place(record)) == (
        '{"run_id": "a", "facts": {"engine": {"kind": "echo"}}}'
    )
