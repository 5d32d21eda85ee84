"""Real EnergiBridge logs, replayed: the meter gives what the importer reads, to the bit."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from joulebench.importers.energibridge_head import read_head
from joulebench.importers.energibridge_log import read_log
from joulebench.meters.energibridge import EnergiBridgeMeter

STAND_IN = Path(__file__).with_name("energibridge_stand_in.py")
WRAPPED = (
    "run_0_repetition_15", "run_12_repetition_17", "run_3_repetition_5", "run_4_repetition_0",
)  # fmt: skip
RUNS = ("run_0_repetition_0", "run_29_repetition_0", *WRAPPED)


def replaying(folder: Path, run: Path) -> str:
    pretended = folder / "pretended.json"
    summary = (run / "energibridge-summary.txt").read_text(encoding="utf-8")
    content = {"replay": str(run / "energibridge.csv"), "summary": summary}
    pretended.write_text(json.dumps(content), encoding="utf-8")
    program = folder / "energibridge"
    call = f'exec "{sys.executable}" "{STAND_IN}" --configuration "{pretended}" "$@"'
    program.write_text(f"#!/bin/sh\n{call}\n", encoding="utf-8")
    program.chmod(0o755)
    return str(program)


@pytest.mark.parametrize("name", RUNS)
def test_a_replayed_log_gives_what_the_importer_reads(
    reference: Path, tmp_path: Path, name: str
) -> None:
    run = reference / "greenlab" / "experiments" / "llama_profiling" / name
    if not run.is_dir():
        pytest.skip(f"reference data absent: {run}")
    read = read_log(read_head(run / "energibridge.csv"))
    meter = EnergiBridgeMeter(replaying(tmp_path, run))
    rows = [*meter.rows()]
    while len(rows) < len(read.traces[0]):
        rows += meter.rows()
    meter.close()
    rows += meter.rows()
    assert [trace.channel for trace in read.traces] == meter.channels
    stamps = np.array([stamp_s for stamp_s, _ in rows])
    for place, trace in enumerate(read.traces):
        assert [values[place] for _, values in rows] == trace.v.tolist()
        assert np.abs(stamps - stamps[0] - trace.t_s).max() < 1e-6
    facts = meter.facts()
    assert facts["silent_columns"] == read.silent
    verdict = facts["summary"]["verdict"]
    expected = "off by the counter's range" if name in WRAPPED else "agrees with the trace"
    assert verdict.startswith(expected)
