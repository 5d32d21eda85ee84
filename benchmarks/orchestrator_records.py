"""Records of a made-up study, of the size and with the parts that those of a real one have."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from joulebench.channel import Channel, Window
from joulebench.energy import Energy
from joulebench.record import Run, RunTable, dumps
from joulebench.study_file import StudyFile
from joulebench.study_read import dump, parse

_CHANNELS = (
    Channel("gpu0:power", "W", scope="gpu board", gain=0.03),
    Channel("cpu0:package", "J", scope="cpu package", wrap_j=262144.0),
    Channel("dram0:dram", "J", scope="dram", wrap_j=65536.0),
)
_WINDOWS = (
    ("idle", 0.0, 10.0, 60.0),
    ("load", 10.0, 31.0, 140.0),
    ("warmup", 31.0, 34.0, 300.0),
    ("measure", 34.0, 94.0, 310.0),
    ("prefill", 34.0, 40.0, 380.0),
    ("decode", 40.0, 94.0, 300.0),
    ("idle_after", 94.0, 96.0, 70.0),
)
"""Names, ends (s) and powers (W)."""

_PROMPTS = 80
FAILED = "out of memory: 79.15 GiB in use of 79.25 GiB; lower load.batch_size or max_model_len"


def study_of(trials: int, cells: int = 100) -> StudyFile:
    """Give a study of so many trials, in complete blocks."""
    models = [f"model-{place:02d}" for place in range(cells // 5)]
    return parse(
        {
            "study": f"made-up-{trials}",
            "factors": {"model": models, "task": ["boolq", "cb", "copa", "rte", "wic"]},
            "repetitions": trials // cells,
            "engine": {"kind": "echo"},
            "protocol": {"clock": "virtual"},
            "meters": [{"simulated": {"board": "rapl", "watts": 80.0}}],
        },
        "made-up study",
    )


def record_of(plan: Mapping[str, Any], testbed: str, status: str = "done") -> Run:
    """Give the record of a trial, about 8 kB; its figures follow from its name."""
    draw = random.Random(plan["run_id"])
    run = Run(
        run_id=plan["run_id"],
        study=plan["study"],
        trial=dict(plan["trial"]),
        status=status,
        host="3f2a9c1b2d4e",
        testbed=testbed,
        started_at="2026-01-01T00:00:00Z",
        facts={"wall_s": round(draw.uniform(95.0, 105.0), 3), "process": "fork server"},
    )
    if status == "failed":
        run.error = FAILED
        run.facts["log_tail"] = [f"line {place} of what the engine said" for place in range(10)]
        return run
    run.channels = list(_CHANNELS)
    run.windows = [Window(name, start, end) for name, start, end, _ in _WINDOWS]
    run.energy = {channel.name: _energies(channel, draw) for channel in _CHANNELS}
    run.work = {"requests": _PROMPTS, "tokens_in": 9600, "tokens_out": 5120}
    run.facts |= {
        "engine": {"kind": "echo", "options": {"max_model_len": 10240, "dtype": "bfloat16"}},
        "sampling": dict(plan["sampling"]),
        "shares_j": [round(draw.uniform(100.0, 300.0), 6) for _ in range(_PROMPTS)],
    }
    return run


def _energies(channel: Channel, draw: random.Random) -> dict[str, dict[str, Any]]:
    found = {}
    for name, start, end, watts in _WINDOWS:
        joules = watts * (end - start) * draw.uniform(0.98, 1.02)
        sources = ("gain", "edges", "resolution", "averaging")
        biases = {f"{source} {channel.name}": joules * draw.uniform(0, 0.01) for source in sources}
        noise = joules * draw.uniform(0.001, 0.002)
        found[name] = Energy(joules, noise, biases, channel.method, channel.scope).to_dict()
    return found


def write_records(
    folder: Path, study: StudyFile, plans: Iterable[Mapping[str, Any]], *, share_failed: float
) -> int:
    """Write the folder of a study whose trials have all been run once, files beside them empty.

    Args:
        folder: Of the study; made.
        study: Whose.
        plans: Of the trials to write.
        share_failed: Of trials that failed first and were run again.

    Returns:
        Size of the records, bytes.
    """
    table = RunTable.create(folder, dump(study), {"3f2a9c1b2d4e": {"cpu": "made up"}})
    draw = random.Random(study.study)
    with (folder / "runs.jsonl").open("wb") as file:
        for place, plan in enumerate(plans):
            testbed = f"bed-{place % 50:02d}"
            if draw.random() < share_failed:
                file.write(dumps(record_of(plan, testbed, "failed").to_dict()).encode() + b"\n")
            file.write(dumps(record_of(plan, testbed).to_dict()).encode() + b"\n")
            run_id = plan["run_id"]
            for path in (table.trace_path, table.responses_path, table.log_path):
                path(run_id).touch()
        return file.tell()
