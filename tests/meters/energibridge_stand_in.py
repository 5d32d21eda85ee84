"""A stand-in for EnergiBridge 0.0.7: its command line, its log to the byte, its ways to end.

It reads no sensor: its joules are those of its configuration. Rows are written cell by cell and one
interval after their stamp, the first stamp twice, as the real program does; it ends like it, too,
when its command ends, when it is told to stop, and by panicking.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

STEP_J = 2.0**-14
WRAP_J = 2.0**18

PANIC = "thread 'main' panicked at {where}:\n{what}\nnote: run with `RUST_BACKTRACE=1` to see more"
UNWRAP = "called `Result::unwrap()` on an `Err` value: "
PANICS = {
    "permission": (
        "src/cpu/intel.rs:33:88",
        UNWRAP + 'Os { code: 13, kind: PermissionDenied, message: "Permission denied" }',
    ),
    "capability": (
        "src/cpu/intel.rs:33:88",
        UNWRAP + 'Os { code: 1, kind: PermissionDenied, message: "Operation not permitted" }',
    ),
    "module": (
        "src/cpu/intel.rs:33:88",
        UNWRAP + 'Os { code: 2, kind: NotFound, message: "No such file or directory" }',
    ),
    "register": (
        "src/cpu/intel.rs:45:66",
        'failed to read PP1: Os { code: 5, kind: Uncategorized, message: "Input/output error" }',
    ),
    "slow": ("library/core/src/time.rs:930:31", "overflow when subtracting durations"),
    "clock": ("src/main.rs:216:32", UNWRAP + "SystemTimeError(3.2s)"),
    "disk": (
        "src/main.rs:222:10",
        'Failed to write results: Os { code: 28, kind: StorageFull, message: "No space left" }',
    ),
}


@dataclass
class Configuration:
    """What the stand-in pretends.

    Args:
        watts: Power of the processor package.
        start_j: Where its counter stands.
        gpu_mw: Power of each GPU, mW.
        amd: Columns of an AMD processor instead of Intel's.
        replay: A real log that is written out at once instead.
        summary: What is printed at the end of a replay.
        how: Way to fail: a key of ``PANICS``, ``"kill"``, ``"columns"`` or ``"nothing"``.
        after_rows: Rows before it fails; -1 for before the log is opened.
        cell_s: Time between the cells of a row, s.
        summary_off_j: Error of its summary, J.
        version: What it says it is.
    """

    watts: float = 40.0
    start_j: float = 1000.0
    gpu_mw: tuple[float, ...] = (150000.0,)
    amd: bool = False
    replay: str = ""
    summary: str = ""
    how: str = ""
    after_rows: int = -1
    cell_s: float = 0.0
    summary_off_j: float = 0.0
    version: str = "energibridge-stand-in 0.0.7"


@dataclass
class StandIn:
    """One run."""

    asked: argparse.Namespace
    pretended: Configuration
    fd: int = -1
    rows: int = 0
    stopped: bool = False
    born_s: float = field(default_factory=time.monotonic)

    def run(self) -> int:
        self.fail_if_due()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self.stop)
        self.fd = os.open(self.asked.output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        child = subprocess.Popen(self.asked.command)
        return self.replay(child) if self.pretended.replay else self.measure(child)

    def stop(self, *_: Any) -> None:
        say("\nReceived Ctrl+C, stopping...")
        self.stopped = True

    def measure(self, child: subprocess.Popen[bytes]) -> int:
        start_s = time.monotonic()
        readings = self.read()
        self.write(["Delta", "Time", *sorted(readings)])
        stamp_s = time.time()
        summed_j = 0.0
        previous = readings
        while True:
            before_s = time.monotonic()
            self.row(stamp_s, readings)
            summed_j += self.counted_j(readings) - self.counted_j(previous)
            # The real program comes here within the millisecond of its first stamp.
            stamp_s, previous = time.time() if self.rows > 1 else stamp_s, readings
            readings = self.read()
            if self.stopped:
                child.kill()
                status = 1
                break
            ended = child.poll()
            if ended is not None:
                status = ended
                break
            time.sleep(max(self.asked.interval / 1e3 - (time.monotonic() - before_s), 0.0))
        self.row(stamp_s, readings)
        summed_j += self.pretended.summary_off_j
        if self.asked.summary and summed_j > 0:
            seconds = time.monotonic() - start_s
            say(f"Energy consumption in joules: {summed_j} for {seconds:.5f} sec of execution.")
        return status

    def replay(self, child: subprocess.Popen[bytes]) -> int:
        """Write a real log out, its stamps moved as one so that the last is now."""
        header, *lines = Path(self.pretended.replay).read_text(encoding="utf-8").splitlines()
        stamps = [int(line.split(",", 2)[1]) for line in lines]
        shift_ms = int(time.time() * 1e3) - stamps[-1]
        os.write(self.fd, (header + "\n").encode())
        for line, stamp_ms in zip(lines, stamps, strict=True):
            delta, _, rest = line.split(",", 2)
            os.write(self.fd, f"{delta},{stamp_ms + shift_ms},{rest}\n".encode())
        child.wait()
        say(self.pretended.summary)
        return child.returncode

    def read(self) -> dict[str, float]:
        """Give one reading of all sensors, each GPU only where it was asked for."""
        joules = self.pretended.start_j + self.pretended.watts * (time.monotonic() - self.born_s)
        joules = round(joules / STEP_J) * STEP_J % WRAP_J
        found = {"CPU_USAGE_0": 12.5, "TOTAL_MEMORY": 134868701184.0, "USED_SWAP": 0.0}
        if self.pretended.amd:
            found |= {"CPU_ENERGY (J)": joules, "CORE0_ENERGY (J)": halved(joules)}
        else:
            found |= {"PACKAGE_ENERGY (J)": joules, "PP0_ENERGY (J)": halved(joules)}
            found |= {"DRAM_ENERGY (J)": 0.0, "PP1_ENERGY (J)": 0.0}
        for gpu, power_mw in enumerate(self.pretended.gpu_mw if self.asked.gpu else ()):
            found |= {f"GPU{gpu}_POWER (mWatts)": power_mw, f"GPU{gpu}_TEMPERATURE": 39.0}
            found |= {f"GPU{gpu}_USAGE": 75.0, f"GPU{gpu}_MEMORY_USED": 357.0}
        if self.pretended.how == "columns" and self.rows >= self.pretended.after_rows:
            found["GPU9_USAGE"] = 1.0
        if self.pretended.how == "nothing":
            found = dict.fromkeys(found, 0.0)
        return found

    @staticmethod
    def counted_j(readings: dict[str, float]) -> float:
        """Give the counter that the summary is made of."""
        return readings.get("CPU_ENERGY (J)", readings.get("PACKAGE_ENERGY (J)", 0.0))

    def row(self, stamp_s: float, readings: dict[str, float]) -> None:
        stamp_ms = int(stamp_s * 1e3)
        cells = [str(int((time.time() - stamp_s) * 1e3)), str(stamp_ms)]
        self.write([*cells, *(shown(readings[name]) for name in sorted(readings))])
        self.rows += 1
        self.fail_if_due()

    def write(self, cells: list[str]) -> None:
        for place, cell in enumerate(cells):
            os.write(self.fd, ("," * bool(place) + cell).encode())
            time.sleep(self.pretended.cell_s)
        os.write(self.fd, b"\n")

    def fail_if_due(self) -> None:
        due = 0 if self.pretended.after_rows < 0 else self.pretended.after_rows
        if self.rows != due:
            return
        if self.pretended.how == "kill":
            if self.fd >= 0:
                os.write(self.fd, b"0,17")
            os.kill(os.getpid(), signal.SIGKILL)
        if self.pretended.how in PANICS:
            where, what = PANICS[self.pretended.how]
            say(PANIC.format(where=where, what=what), fd=2)
            os._exit(101)


def say(text: str, *, fd: int = 1) -> None:
    """Print at once, as the real program does."""
    os.write(fd, f"{text}\n".encode())


def shown(value: float) -> str:
    """Write a number as Rust does: no exponent, and whole ones without a point."""
    return str(int(value)) if value.is_integer() else repr(value)


def halved(joules: float) -> float:
    """Give half of a counter, in whole steps."""
    return joules / STEP_J // 2 * STEP_J


def main() -> int:
    parser = argparse.ArgumentParser(prog="energibridge", allow_abbrev=False)
    parser.add_argument("--configuration", type=Path)
    parser.add_argument("-V", "--version", action="store_true")
    parser.add_argument("-o", "--output")
    parser.add_argument("-i", "--interval", type=int, default=200)
    parser.add_argument("-g", "--gpu", action="store_true")
    parser.add_argument("--summary", action="store_true")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    asked = parser.parse_args()
    asked.command = asked.command[asked.command[:1] == ["--"] :]
    pretended = Configuration(**json.loads(asked.configuration.read_text(encoding="utf-8")))
    if asked.version:
        say(pretended.version)
        return 0
    return StandIn(asked, pretended).run()


if __name__ == "__main__":
    sys.exit(main())
