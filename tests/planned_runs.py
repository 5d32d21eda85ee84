"""Studies as if they had been run: each planned trial with an energy that the test chooses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from joulebench.channel import Channel, Window
from joulebench.record import Run, RunTable
from joulebench.study_file import StudyFile
from joulebench.study_plan import plan
from joulebench.study_read import dump, parse

GAIN = 0.05
IDLE_W = 50.0

ASKED: dict[str, Any] = {
    "study": "dry",
    "factors": {"model": ["small", "large"], "task": ["boolq", "copa", "rte"]},
    "repetitions": 3,
    "order": {"kind": "blocks", "seed": 1},
    "engine": {"kind": "echo"},
    "tasks": {"items": 4},
    "protocol": {"idle_s": 2.0, "idle_after_s": 1.0, "cooldown": {"fixed_s": 5.0}},
    "meters": [{"simulated": {"board": "a100", "watts": 250}}],
}

Joules = Callable[[dict[str, Any]], float]


def asked(**changes: Any) -> StudyFile:
    """Give a study file; ``order`` is completed, other keys replaced."""
    order = {**ASKED["order"], **changes.pop("order", {})}
    return parse({**ASKED, "order": order, **changes}, "study")


def run_of(trial: dict[str, Any], joules: float, load_s: float = 1.0) -> Run:
    """Give the run of a planned trial: 3 s of waiting, loading at 100 W, 10 s of measured work."""
    edges = {"idle": (0.0, 2.0), "load": (2.0, 2.0 + load_s), "measure": (8.0, 18.0),
             "idle_after": (18.0, 19.0)}  # fmt: skip
    used = {"idle": 2 * IDLE_W, "load": 100 * load_s, "measure": joules, "idle_after": IDLE_W}
    energy = {
        name: {"joules": value, "noise": 0.0, "biases": {"gain gpu0:power": GAIN * value},
               "method": "simulated", "scope": "gpu board", "below_resolution": False}
        for name, value in used.items()
    }  # fmt: skip
    return Run(
        str(trial["run_id"]), "dry", dict(trial["trial"]), host="here", work={"tokens_out": 100},
        windows=[Window(name, *edge) for name, edge in edges.items()],
        channels=[Channel("gpu0:power", "W", gain=GAIN, method="simulated", scope="gpu board")],
        energy={"gpu0:power": energy}, facts={"wall_s": 20.0},
    )  # fmt: skip


def as_run(folder: Path, study: StudyFile, joules: Joules, **more: Any) -> Path:
    """Write the folder of a study whose trials have all been run."""
    table = RunTable.create(folder, dump(study), {"here": {"hostname": "here"}})
    table.extend([run_of(trial, joules(trial["trial"]), **more) for trial in plan(study)])
    table.write_csv()
    return folder
