"""A study made up for tests of the audit: runs with traces, and what people publish of them.

What is published is worked out here from the samples by plain formulas, without our code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from runs import view
from tables import table

from joulebench.audit.digest import digest
from joulebench.audit.evidence import Evidence, Unit
from joulebench.audit.run_view import AuditRun
from joulebench.audit.table import AuditTable
from joulebench.channel import Channel, Window
from joulebench.energy import Trace

Floats = NDArray[np.float64]

WRAP_J = 262144.0
GPU = Channel("gpu0:power", "W", gain=0.029, scope="gpu board")
CPU = Channel("cpu0:package", "J", gain=0.03, scope="cpu package", wrap_j=WRAP_J)
CORE = Channel("cpu0:core", "J", gain=0.05, scope="cpu core", wrap_j=WRAP_J)
SIZES = ("small", "large")
GPU_W = {"small": 150.0, "large": 350.0}
REPEATS = 6


@dataclass
class Sampled:
    """One run: its samples, its window, and what a careful person makes of them."""

    run_id: str
    size: str
    t_s: Floats
    gpu_w: Floats
    cpu_j: Floats
    window: Window
    tokens: int
    requests: int = 20

    @property
    def inside(self) -> NDArray[np.bool_]:
        return (self.t_s >= self.window.start_s) & (self.t_s <= self.window.stop_s)

    @property
    def grid_s(self) -> Floats:
        edges = [self.window.start_s, self.window.stop_s]
        return np.unique(np.concatenate((edges, self.t_s[self.inside])))

    @property
    def gpu(self) -> float:
        """The trapezoid with both edges interpolated, J."""
        return float(np.trapezoid(np.interp(self.grid_s, self.t_s, self.gpu_w), self.grid_s))

    @property
    def cpu(self) -> float:
        """The unwrapped counter, interpolated at both edges and differenced, J."""
        unwrapped = self.cpu_j + WRAP_J * np.cumsum(np.diff(self.cpu_j, prepend=0.0) < 0)
        ends = np.interp([self.window.start_s, self.window.stop_s], self.t_s, unwrapped)
        return float(ends[1] - ends[0])

    @property
    def total(self) -> float:
        return self.gpu + self.cpu

    def traces(self) -> list[Trace]:
        core = Trace(CORE, self.t_s, 0.6 * self.cpu_j % WRAP_J)
        return [Trace(GPU, self.t_s, self.gpu_w), Trace(CPU, self.t_s, self.cpu_j), core]

    def view(self, **record: Any) -> AuditRun:
        return view(
            self.traces(),
            self.window,
            run_id=self.run_id,
            levels={"size": self.size},
            work={"tokens_out": self.tokens, "requests": self.requests},
            score={"accuracy": 0.75, "n_graded": 20, "n_correct": 15},
            **record,
        )


def sampled(number: int, repeat: int, wraps: bool = False, mean_step_s: float = 0.21) -> Sampled:
    """Make the samples of a run: about 40 s, unevenly spaced, the power up and down."""
    rng = np.random.default_rng(100 * number + repeat)
    size = SIZES[number]
    steps_s = mean_step_s + 0.06 * rng.random(280)
    t_s = np.concatenate(([0.0], np.cumsum(steps_s)))
    gpu_w = GPU_W[size] * (1 + 0.02 * rng.standard_normal(t_s.size))
    gpu_w[t_s < 8] = 60.0
    cpu_w = 55.0 * (1 + 0.05 * rng.standard_normal(t_s.size - 1))
    start_j = WRAP_J - 1500.0 if wraps else 5000.0 * rng.random()
    cpu_j = (start_j + np.concatenate(([0.0], np.cumsum(cpu_w * steps_s)))) % WRAP_J
    window = Window("measure", 10.0, 10.0 + 40.0 + 4.0 * rng.random(), 0.05)
    name = f"run_{number}_repetition_{repeat}"
    return Sampled(name, size, t_s, gpu_w, cpu_j, window, 1000 + int(rng.integers(500)))


@dataclass
class Study:
    """Runs of two sizes; the last repeat of each wraps its counter where that is asked."""

    wraps: bool = False
    runs: list[Sampled] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.runs = [
            sampled(number, repeat, self.wraps and repeat == REPEATS - 1)
            for number in range(len(SIZES))
            for repeat in range(REPEATS)
        ]

    def figures(self, formula: Callable[[Sampled], float]) -> list[float]:
        return [formula(run) for run in self.runs]

    def table(self, columns: Mapping[str, Sequence[Any]], name: str = "table.csv") -> AuditTable:
        """Make a published table of these columns beside run and size."""
        own = {"run_id": [run.run_id for run in self.runs], "size": [run.size for run in self.runs]}
        return table({**own, **columns}, name)

    def evidence(self, *tables: AuditTable, path: Path | None = None) -> Evidence:
        place = path or Path("study")
        views = [run.view() for run in self.runs]
        unit = Unit("study", place, "energibridge", {}, {}, len(views), views.__getitem__)
        unit.digests = [digest(view) for view in views]
        return Evidence([unit], list(tables))
