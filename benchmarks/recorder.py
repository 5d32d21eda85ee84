"""What recording costs, and how well recorders keep their pace, side by side on one workload.

Run ``python benchmarks/recorder.py [--rounds N] [--idle S] [--work S] [--json FILE]``; ``--quick``
tries it out in half a minute. In every round each recorder is started afresh, samples an idle
machine, then runs beside a piece of work that keeps two processors busy and that is timed without
any recorder just before and just after. All of it is bound to two processors.

No sensor of this machine is read: recorders read a simulated board and files in the form of RAPL's,
or a stand-in for NVIDIA's library, compiled from the tests; CodeCarbon assumes what it does not
find. Costs are of all processes and threads of a program, that of an empty one taken off.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from measuring_cost import cpu_s, family, memory
from measuring_hosts import LOOP, POWERCAP, ZONES
from measuring_table import summary, table
from measuring_work import Work, two_cpus

HERE = Path(__file__).parent
STAND_IN = HERE.parent / "tests" / "meters" / "fake_nvml.c"

SETTLE_S = 0.2
"""From the moment that a recorder says it samples to that from which its cost is counted, s."""


@dataclass
class Contender:
    """One recorder at one pace, with what was measured of it.

    Args:
        name: As the table shows it.
        kind: Program of ``measuring_hosts.py``.
        period_s: Time between its samples, s.
        reads: What it reads.
    """

    name: str
    kind: str
    period_s: float
    reads: str
    told: dict[str, Any] = field(default_factory=dict)
    rounds: list[dict[str, Any]] = field(default_factory=list)


SIMULATED = "simulated board, files as RAPL's"
NVML = "stand-in NVML"

CONTENDERS = [
    Contender("Joulebench, 10 Hz", "process", 0.1, SIMULATED),
    Contender("Joulebench, 100 Hz", "process", 0.01, SIMULATED),
    Contender("Joulebench as a thread, 10 Hz", "thread", 0.1, SIMULATED),
    Contender("C loop, 10 Hz", "loop", 0.1, SIMULATED),
    Contender("C loop, 100 Hz", "loop", 0.01, SIMULATED),
    Contender("CodeCarbon, 15 s", "codecarbon", 15.0, f"{NVML}, CPU load"),
    Contender("CodeCarbon, 1 s", "codecarbon", 1.0, f"{NVML}, CPU load"),
    Contender("CodeCarbon, 10 Hz", "codecarbon", 0.1, f"{NVML}, CPU load"),
    Contender("Joulebench, 10 Hz", "nvml", 0.1, NVML),
    Contender("Zeus, 10 Hz", "zeus", 0.1, NVML),
    Contender("Joulebench, 100 Hz", "nvml", 0.01, NVML),
    Contender("Zeus, 100 Hz", "zeus", 0.01, NVML),
]


def prepare(folder: Path) -> dict[str, str]:
    """Write and compile what the programs read, and give their environment."""
    for zone, name in ZONES.items():
        place = folder / POWERCAP / zone
        place.mkdir(parents=True)
        (place / "name").write_text(f"{name}\n")
        (place / "energy_uj").write_text("123456789012\n")
        (place / "max_energy_range_uj").write_text("262143328850\n")
    loop = ["-O2", "-Wall", "-o", str(folder / LOOP), str(HERE / "recorder_loop.c"), "-lm"]
    subprocess.run(["cc", *loop], check=True)
    library = str(folder / "libnvidia-ml.so.1")
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, str(STAND_IN)], check=True)
    smi = folder / "nvidia-smi"  # all that CodeCarbon asks of it is to be there
    smi.write_text("#!/bin/sh\n")
    smi.chmod(0o755)
    return {
        **os.environ,
        "LD_LIBRARY_PATH": str(folder),
        "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
        "CUDA_VISIBLE_DEVICES": "0",
        "FAKE_NVML_MOVING": "1",
    }


class Host:
    """A running program with one recorder in it, or none.

    Args:
        kind: Program of ``measuring_hosts.py``.
        period_s: Time between samples, s.
        folder: Where what it reads is; it writes into a folder of its own there.
        env: Its environment.
    """

    def __init__(self, kind: str, period_s: float, folder: Path, env: dict[str, str]) -> None:
        self._period_s = period_s
        own = folder / f"{kind}-{time.monotonic_ns()}"
        self._words = [str(HERE / "measuring_hosts.py"), kind, str(own), str(period_s)]
        self._process = subprocess.Popen(
            [sys.executable, *self._words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=env,
        )
        self.told = self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            status = self._process.wait()
            raise SystemExit(f"status {status} of: {sys.executable} {' '.join(self._words)}")
        told: dict[str, Any] = json.loads(line)
        return told

    def segment(self, act: Callable[[], float | None]) -> dict[str, Any]:
        """Let the recorder run while something else happens, and give what it cost."""
        time.sleep(SETTLE_S)
        pids = family(self._process.pid)
        cpu_start_s, start_s = cpu_s(pids), time.monotonic()
        piece_s = act()
        cost_s, took_s = cpu_s(pids) - cpu_start_s, time.monotonic() - start_s
        used = memory(pids)
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        told = self._answer()
        # A recorder that cannot keep the pace it was asked for pays for fewer samples.
        hertz = min(1 / self._period_s, told.get("samples", 0) / (took_s + SETTLE_S))
        share = cost_s / took_s
        cost = {"cpu_share": share, "cpu_per_sample_s": share / hertz if hertz else None}
        return {**told, **cost, "hertz": hertz, "piece_s": piece_s, **asdict(used)}

    def close(self) -> None:
        """Let it end."""
        self._process.communicate()


def run(contenders: list[Contender], asked: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Run all contenders in turn, as many rounds as asked for, and give the bare program's cost."""
    env = prepare(folder)
    bare = Host("bare", 1.0, folder, env)
    with Work(asked.work) as work:
        before_s = work.do()
        for place in range(asked.rounds):
            for contender in contenders[:: -1 if place % 2 else 1]:
                host = Host(contender.kind, contender.period_s, folder, env)
                idle = _idle(host, contender, asked.idle, first=not place)
                busy = host.segment(work.do)
                host.close()
                after_s = work.do()
                alone_s = 0.5 * (before_s + after_s)
                slowdown = busy["piece_s"] / alone_s - 1
                contender.rounds.append({"idle": idle, "busy": busy, "slowdown": slowdown})
                contender.told |= host.told
                before_s = after_s
            print(f"round {place + 1} of {asked.rounds}, {_load()}", file=sys.stderr)
    nothing = bare.segment(lambda: time.sleep(min(asked.idle, 1.0)))
    bare.close()
    return nothing


def _idle(host: Host, contender: Contender, idle_s: float, *, first: bool) -> dict[str, Any] | None:
    """Let a recorder sample an idle machine; one so slow that it takes long does so once only."""
    needed_s = 2 * contender.period_s
    if needed_s > idle_s and not first:
        return None
    return host.segment(lambda: time.sleep(max(idle_s, needed_s)))


def _load() -> str:
    return f"load average {os.getloadavg()[0]:.2f}"


def installed(contenders: list[Contender]) -> list[Contender]:
    """Leave out what is not installed, and say so."""
    missing = {kind for kind in ("codecarbon", "zeus") if find_spec(kind) is None}
    for kind in missing:
        print(f"{kind} is not installed: pip install 'joulebench[bench]'", file=sys.stderr)
    return [contender for contender in contenders if contender.kind not in missing]


def parsed() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--idle", type=float, default=3.0, help="seconds of idling a round")
    parser.add_argument("--work", type=float, default=1.5, help="seconds of work a round")
    parser.add_argument("--only", action="append", help="a program: process, loop, zeus, ...")
    parser.add_argument("--quick", action="store_true", help="one short round of the fast ones")
    parser.add_argument("--json", type=Path, help="write all figures there as well")
    asked = parser.parse_args()
    if asked.quick:
        asked.rounds, asked.idle, asked.work = 1, 0.5, 0.2
    return asked


def main() -> int:
    """Run the comparison."""
    asked = parsed()
    contenders = [one for one in CONTENDERS if not asked.only or one.kind in asked.only]
    if asked.quick:
        contenders = [one for one in contenders if one.period_s == 0.1]
    contenders = installed(contenders)
    os.sched_setaffinity(0, set(two_cpus()))
    before = _load()
    with tempfile.TemporaryDirectory() as name:
        bare = run(contenders, asked, Path(name))
    figures = {
        "machine": f"{platform.platform()}, Python {platform.python_version()}",
        "load": {"before": before, "after": _load()},
        "rounds": asked.rounds,
        "idle_s": asked.idle,
        "work_s": asked.work,
        "bare": bare,
        "contenders": [asdict(one) | {"summary": summary(one.rounds, bare)} for one in contenders],
    }
    print(table(figures))
    if asked.json:
        asked.json.write_text(json.dumps(figures, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
