"""What a trial writes of the energy of each of its requests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from joulebench.channel import Channel, Window
from joulebench.energy import Trace
from joulebench.run_row import headline_energy
from joulebench.study_plan import plan
from joulebench.study_read import parse
from joulebench.testbed.local import LocalTestbed
from joulebench.testbed.request_energy import rows_of, share_out
from joulebench.work import Response

POWER = Channel("gpu0:power", "W", gain=0.03, period_s=0.1, scope="gpu board")
CORE = Channel("cpu0:core", "W", scope="cpu core")
PACKAGE = Channel("cpu0:package", "W", scope="cpu package")
WINDOWS = [
    Window("idle", -8.0, -2.0),
    Window("measure", 0.0, 10.0),
    Window("idle_after", 11.0, 13.0),
]


def trace(channel: Channel, watts: float, stop_s: float = 15.0) -> Trace:
    t_s = np.arange(-10.0, stop_s, 0.1)
    return Trace(channel, t_s, np.where((t_s >= 0) & (t_s < 10), watts, 50.0))


def answered(name: str, tokens: int = 11) -> Response:
    first_s = 10.0 if tokens == 1 else 2.0
    return Response(name, "", 10, tokens, 0.0, first_s, 10.0)


def test_requests_of_a_batch_share_the_measured_energy() -> None:
    shares = share_out([POWER], {"gpu0:power": trace(POWER, 250)}, WINDOWS, [answered("a")] * 4)
    assert shares is not None
    rows = rows_of(shares)
    assert len(rows) == 4
    assert sum(row["energy_j"] for row in rows) == pytest.approx(shares.whole.joules)
    first = rows[0]
    phases_j = first["energy_prefill_j"] + first["energy_decode_j"]
    assert first["energy_j"] == pytest.approx(phases_j)
    assert 0 < first["energy_half_width_j"] < first["energy_j"]
    assert set(first) == {
        f"energy{phase}{what}_j"
        for phase in ("", "_prefill", "_decode")
        for what in ("", "_half_width")
    }


def test_a_phase_that_was_not_is_left_out_of_the_row() -> None:
    traces = {"gpu0:power": trace(POWER, 250)}
    shares = share_out([POWER], traces, WINDOWS, [answered("a", tokens=1)])
    assert shares is not None
    assert set(rows_of(shares)[0]) == {
        "energy_j", "energy_half_width_j", "energy_prefill_j", "energy_prefill_half_width_j",
    }  # fmt: skip


def test_nested_channels_are_not_shared_twice() -> None:
    traces = {c.name: trace(c, watts) for c, watts in ((POWER, 250), (CORE, 20), (PACKAGE, 60))}
    shares = share_out([POWER, CORE, PACKAGE], traces, WINDOWS, [answered("a")])
    assert shares is not None
    assert shares.whole.joules == pytest.approx(3100, rel=2e-2)


def test_a_part_is_never_shared_for_the_whole() -> None:
    traces = {"gpu0:power": trace(POWER, 250)}
    assert share_out([POWER, PACKAGE], traces, WINDOWS, [answered("a")]) is None
    short = {"gpu0:power": trace(POWER, 250, stop_s=9.0)}
    assert share_out([POWER], short, WINDOWS, [answered("a")]) is None
    assert share_out([POWER], traces, WINDOWS, []) is None
    assert share_out([POWER], traces, WINDOWS[:1], [answered("a")]) is None


def silent(_message: dict[str, Any]) -> None:
    return None


def test_a_trial_writes_energies_beside_its_responses(tmp_path: Path) -> None:
    for room in ("traces", "responses", "logs"):
        (tmp_path / room).mkdir()
    study = {
        "study": "s",
        "model": "any",
        "task": "copa",
        "engine": {"kind": "echo", "token_s": 0.02, "prefill_s": 0.05},
        "tasks": {"items": 4},
        "load": {"kind": "batch", "batch_size": 2},
        "sampling": {"max_tokens": 8},
        "protocol": {
            "idle_s": 0.5, "idle_after_s": 0.2, "warmup_prompts": 0, "interval_s": 0.02,
        },
    }  # fmt: skip
    meter = {"simulated": {"board": "volta", "watts": 250}}
    trial = plan(parse(study, "s"))[0] | {"meters": [meter]}
    testbed = LocalTestbed(tmp_path, "here")
    try:
        testbed.prepare([trial])
        run = testbed.run(trial, 1, silent)
    finally:
        testbed.close()
    lines = (tmp_path / "responses" / f"{run.run_id}.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    told = run.facts["attribution"]
    assert told["requests"] == len(rows) == 4
    assert sum(row["energy_j"] for row in rows) == pytest.approx(told["energy_attributed_j"])
    whole = headline_energy(run)
    assert whole is not None
    parts = ("attributed", "idle", "unattributed")
    assert sum(told[f"energy_{part}_j"] for part in parts) == pytest.approx(whole.joules)
    assert all(row["energy_prefill_j"] > 0 and row["energy_decode_j"] > 0 for row in rows)
    assert "prompt" in rows[0]
