"""What a command costs in a process of its own, and whether R can be asked beside it."""

from __future__ import annotations

import os
import platform
import resource
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Spent:
    """What one process took, from its start to its end.

    Args:
        wall_s: Time on the clock.
        cpu_s: Processor time, of all its threads and children.
        peak_mb: Largest resident memory.
        said: Its standard output.
    """

    wall_s: float
    cpu_s: float
    peak_mb: float
    said: str


def environment(place: Path) -> dict[str, str]:
    """Give an environment in which Python keeps compiled files, as an installed package has them.

    Args:
        place: Folder that they are kept in.
    """
    kept = {name: os.environ[name] for name in os.environ if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPYCACHEPREFIX": str(place), "OMP_NUM_THREADS": "1"}


def spent(words: Sequence[str], env: Mapping[str, str]) -> Spent:
    """Run a command and wait for its end.

    Raises:
        SystemExit: It failed; says what it said.
    """
    said, told = os.pipe()
    begun_s = time.perf_counter()
    child = subprocess.Popen(words, stdout=told, stderr=subprocess.PIPE, env=dict(env))
    os.close(told)
    with os.fdopen(said, "rb") as reader:
        output = reader.read().decode()
    assert child.stderr is not None
    errors = child.stderr.read().decode(errors="replace")
    _, status, usage = os.wait4(child.pid, 0)
    wall_s = time.perf_counter() - begun_s
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{words[0]} failed: {errors[-2000:]}")
    return Spent(wall_s, usage.ru_utime + usage.ru_stime, _megabytes(usage), output)


def in_turn(
    contenders: Mapping[str, Callable[[], Spent]], repeats: int, *, warm: bool = True
) -> dict[str, list[Spent]]:
    """Run each contender in turn, after one round that is not counted where ``warm``."""
    found: dict[str, list[Spent]] = {name: [] for name in contenders}
    for round_ in range(-int(warm), repeats):
        for name, run in contenders.items():
            one = run()
            if round_ >= 0:
                found[name].append(one)
    return found


def median(found: Sequence[Spent], what: str) -> float:
    """Give the median of a figure."""
    return statistics.median(float(getattr(each, what)) for each in found)


def lacking_r(*packages: str) -> str:
    """Say why R cannot be asked; empty where it can."""
    if shutil.which("Rscript") is None:
        return "Rscript is not installed, so that R is left out"
    names = ", ".join(f'"{name}"' for name in packages)
    asked = f"cat(Filter(function(p) !requireNamespace(p, quietly = TRUE), c({names})))"
    done = subprocess.run(["Rscript", "-e", asked], capture_output=True, text=True, check=False)
    absent = done.stdout.strip() if done.returncode == 0 else done.stderr.strip()
    return f"R lacks {absent}, so that it is left out" if absent else ""


def machine() -> str:
    """Give the machine and how busy it is, in a line."""
    name = platform.processor() or platform.machine()
    return f"{name}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}"


def _megabytes(usage: resource.struct_rusage) -> float:
    return usage.ru_maxrss / (1 << 20 if platform.system() == "Darwin" else 1 << 10)
