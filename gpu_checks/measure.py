"""Compares what an NVIDIA GPU says of its own energy while it does work of known form.

Idle, matrix products, copies, and square waves of 10 ms to 10 s, while the energy counter, the
instantaneous, the average and the plain power of NVML are polled in a process of their own. No
setting of the card is changed.

Needs torch built for the GPU, and nvidia-ml-py. Where joulebench can be imported (installed, or in
``../src`` beside numpy and scipy) its estimates are compared as well; they can be added later, on
any machine, with ``--analyse FILE``.

    python gpu_checks/measure.py --out gpu_checks/results        # about four minutes
    python gpu_checks/measure.py --quick                         # about one
    python gpu_checks/measure.py --simulated hopper              # no GPU: a simulated board
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FORMAT = 1

HERE = Path(__file__).resolve().parent

TICK_S = 1e-4
"""Times are stored in tenths of a millisecond."""

POLL_S = 1e-3
"""Least time between two polls, s."""

SIDE = 4096
"""Side of the matrices."""

BATCH_S = 1e-3
"""Work that is handed to the GPU at once, s."""

COPY_BYTES = 1 << 29

FIELD_AVERAGE, FIELD_INSTANT = 185, 186
"""NVML_FI_DEV_POWER_AVERAGE and NVML_FI_DEV_POWER_INSTANT."""

QUIET_S = 3.0
"""Rest before and after the irregular wave, s."""

WAVES_S = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
QUICK_WAVES_S = (0.01, 0.1, 1.0, 4.0)
"""Periods of the square waves, s."""

Phase = dict[str, Any]
Work = Callable[[str, float], int]
"""Does one kind of work until a monotonic time, s; gives how often it was done."""


def plan(quick: bool) -> list[Phase]:
    """List the phases: each with its kind of work, its length, s, and when it is switched."""
    steady_s, rest_s, wave_s, irregular_s = (
        (3.0, 1.0, 2.0, 8.0) if quick else (12.0, 3.0, 8.0, 20.0)
    )
    phases = [_phase("idle", "idle", steady_s)]
    for kind in ("matmul-fp32", "matmul-tf32", "matmul-bf16", "copy"):
        phases += [_phase(kind, kind, steady_s), _rest(rest_s, phases)]
    # Long rests around it: an average over one second must have forgotten what was before.
    still = _phase("rest", "idle", QUIET_S)
    phases += [still, _irregular(irregular_s), still]
    for period_s in QUICK_WAVES_S if quick else WAVES_S:
        length_s = max(wave_s, 2 * period_s if quick else 3 * period_s)
        phases += [_rest(rest_s, phases), _wave(period_s, length_s)]
    return [*phases, _phase("idle", "idle", steady_s)]


def _phase(name: str, kind: str, length_s: float) -> Phase:
    return {"name": name, "kind": kind, "length_s": length_s, "holds_s": []}


def _rest(length_s: float, before: Sequence[Phase]) -> Phase:
    """Rest a little longer each time: phases must not keep step with the sensor."""
    return _phase("rest", "idle", length_s + 0.0137 * len(before))


def _wave(period_s: float, length_s: float) -> Phase:
    halves = 2 * round(length_s / period_s)
    phase = _phase(f"wave-{1e3 * period_s:g}ms", "wave", halves * period_s / 2)
    return {**phase, "period_s": period_s, "holds_s": [period_s / 2] * halves}


def _irregular(length_s: float) -> Phase:
    """Plan a wave that keeps step with no sensor: on, off, ... for 50 ms to 500 ms each."""
    draw = random.Random(1)  # noqa: S311 - no secret
    holds_s: list[float] = []
    while sum(holds_s) < length_s or len(holds_s) % 2:
        holds_s.append(0.05 * 10 ** draw.uniform(0, 1))
    return {**_phase("wave-irregular", "wave", sum(holds_s)), "holds_s": holds_s}


# Reading


class Nvml:
    """The four ways in which NVML tells the power or the energy of one GPU.

    Args:
        uuid: The GPU, as NVML calls it; the first one where it is empty.
    """

    def __init__(self, uuid: str = "") -> None:
        import pynvml

        self._nvml = pynvml
        pynvml.nvmlInit()
        self._handle = (
            pynvml.nvmlDeviceGetHandleByUUID(uuid) if uuid else pynvml.nvmlDeviceGetHandleByIndex(0)
        )
        ways = {
            "counter": self._counter_mj,
            "instant": lambda: self._field_mw(FIELD_INSTANT),
            "average": lambda: self._field_mw(FIELD_AVERAGE),
            "usage": lambda: int(pynvml.nvmlDeviceGetPowerUsage(self._handle)),
        }
        self.absent: dict[str, str] = {}
        self.ways = {name: way for name, way in ways.items() if self._works(name, way)}

    def _works(self, name: str, way: Callable[[], int]) -> bool:
        try:
            if way() > 0:
                return True
            self.absent[name] = "it gives 0"
        except self._nvml.NVMLError as error:
            self.absent[name] = str(error)
        return False

    def _counter_mj(self) -> int:
        return int(self._nvml.nvmlDeviceGetTotalEnergyConsumption(self._handle))

    def _field_mw(self, field: int) -> int:
        answer = self._nvml.nvmlDeviceGetFieldValues(self._handle, [field])[0]
        if answer.nvmlReturn:
            raise self._nvml.NVMLError(answer.nvmlReturn)
        return int(answer.value.uiVal)

    def facts(self) -> dict[str, Any]:
        """Give what the GPU is."""
        ask = self._nvml
        questions = {
            "name": lambda: ask.nvmlDeviceGetName(self._handle),
            "driver": ask.nvmlSystemGetDriverVersion,
            "power_limit_w": lambda: ask.nvmlDeviceGetEnforcedPowerLimit(self._handle) / 1000,
            "compute_capability": lambda: list(
                ask.nvmlDeviceGetCudaComputeCapability(self._handle)
            ),
        }
        return {name: found for name, way in questions.items() if (found := self._known(way))}

    def _known(self, question: Callable[[], Any]) -> Any:
        try:
            answer = question()
        except self._nvml.NVMLError:
            return None
        return answer.decode() if isinstance(answer, bytes) else answer

    def state(self) -> list[int]:
        """Give temperature, °C, and clock of the multiprocessors, MHz; -1 where unknown."""
        ask = self._nvml
        found = (
            self._known(lambda: ask.nvmlDeviceGetTemperature(self._handle, 0)),
            self._known(lambda: ask.nvmlDeviceGetClockInfo(self._handle, 1)),
        )
        return [-1 if value is None else int(value) for value in found]


def poll(
    ways: dict[str, Callable[[], int]],
    stop: Callable[[], bool],
    state: Callable[[], list[int]] | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
) -> dict[str, Any]:
    """Poll until told to stop; keeps every change of every reading.

    Returns:
        ``changes``: name -> [last poll before, first poll after, new reading] in s and mW or mJ;
        ``read_s``: name -> durations of some reads; ``states``; ``polls``.
    """
    last: dict[str, int] = {}
    before = dict.fromkeys(ways, clock())
    changes: dict[str, list[tuple[float, float, int]]] = {name: [] for name in ways}
    read_s: dict[str, list[float]] = {name: [] for name in ways}
    states: list[list[float]] = []
    polls, start_s, next_state_s = 0, clock(), 0.0
    while not stop():
        begin_s = clock()
        for name, way in ways.items():
            early_s = clock()
            value = way()
            late_s = clock()
            at_s = 0.5 * (early_s + late_s)
            if polls % 16 == 0 and polls < 1 << 15:
                read_s[name].append(late_s - early_s)
            if value != last.get(name):
                changes[name].append((before[name], at_s, value))
                last[name] = value
            before[name] = at_s
        if state is not None and begin_s >= next_state_s:
            states.append([begin_s, *state()])
            next_state_s = begin_s + 1.0
        polls += 1
        sleep(max(begin_s + POLL_S - clock(), 0.0))
    return {
        "changes": changes,
        "read_s": read_s,
        "states": states,
        "polls": polls,
        "start_s": start_s,
        "stop_s": clock(),
    }


def _poll_process(uuid: str, pipe: Any) -> None:
    nvml = Nvml(uuid)
    pipe.send({"device": nvml.facts(), "absent": nvml.absent})
    pipe.send(poll(nvml.ways, pipe.poll, nvml.state))


# Working


class Gpu:
    """Work on the first GPU that torch sees."""

    def __init__(
        self, device: str = "cuda", side: int = SIDE, copy_bytes: int = COPY_BYTES
    ) -> None:
        import torch

        self._torch = torch
        self._wait: Callable[[], None] = (
            torch.cuda.synchronize if device == "cuda" else lambda: None
        )
        a = torch.randn(side, side, device=device)
        half = a.to(torch.bfloat16)
        source = torch.empty(copy_bytes, dtype=torch.uint8, device=device)
        target, product, narrow = (torch.empty_like(x) for x in (source, a, half))
        self._once: dict[str, Callable[[], object]] = {
            "matmul-fp32": lambda: self._product(a, product, tf32=False),
            "matmul-tf32": lambda: self._product(a, product, tf32=True),
            "matmul-bf16": lambda: torch.mm(half, half, out=narrow),
            "copy": lambda: target.copy_(source),
        }
        self._once["wave"] = self._once["matmul-bf16"]
        self.flops = {kind: 2.0 * side**3 for kind in self._once if kind != "copy"}
        self.moved_bytes = {"copy": 2.0 * copy_bytes}
        self._batch = {kind: self._batch_of(once) for kind, once in self._once.items()}

    def _product(self, a: Any, out: Any, *, tf32: bool) -> None:
        self._torch.backends.cuda.matmul.allow_tf32 = tf32
        self._torch.mm(a, a, out=out)

    def _batch_of(self, once: Callable[[], object]) -> int:
        """Give how often a piece of work fits into a batch, after having warmed it up."""
        took_s = BATCH_S
        for _ in range(3):
            self._wait()
            start_s = time.monotonic()
            for _ in range(4):
                once()
            self._wait()
            took_s = (time.monotonic() - start_s) / 4
        return max(1, round(BATCH_S / took_s))

    def work(self, kind: str, until_s: float) -> int:
        """Do one kind of work until about a time, s; gives how often it was done."""
        once, batch, done = self._once[kind], self._batch[kind], 0
        while time.monotonic() < until_s:
            for _ in range(batch):
                once()
            self._wait()
            done += batch
        return done


def wait(until_s: float) -> None:
    """Sleep until a time, s, and look at the clock for the last two milliseconds."""
    while (left_s := until_s - time.monotonic()) > 0:
        if left_s > 2e-3:
            time.sleep(left_s - 2e-3)


def perform(phases: Sequence[Phase], work: Work) -> list[Phase]:
    """Do the phases one after another; gives them with the times at which it happened."""
    return [_performed(phase, work) for phase in phases]


def _performed(phase: Phase, work: Work) -> Phase:
    start_s = at_s = time.monotonic()
    switches, done = [], 0
    if phase["kind"] == "idle":
        wait(start_s + phase["length_s"])
    elif not phase["holds_s"]:
        done = work(phase["kind"], start_s + phase["length_s"])
    for place, hold_s in enumerate(phase["holds_s"]):
        switches.append(time.monotonic())
        at_s += hold_s
        if place % 2:
            wait(at_s)
        else:
            done += work("wave", at_s)
    return {
        **phase, "start_s": start_s, "stop_s": time.monotonic(), "switches_s": switches,
        "times": done,
    }  # fmt: skip


def capture(quick: bool) -> dict[str, Any]:
    """Work and poll on a real GPU."""
    import torch

    if not torch.cuda.is_available():
        sys.exit(
            "measure.py: this torch cannot use a GPU; install torch for it "
            "(https://pytorch.org/get-started/locally), or try: --simulated hopper"
        )
    gpu = Gpu()
    uuid = getattr(torch.cuda.get_device_properties(0), "uuid", "")
    uuid = f"GPU-{uuid}" if uuid and not str(uuid).startswith("GPU-") else str(uuid)
    pipe, other = multiprocessing.get_context("spawn").Pipe()
    poller = multiprocessing.get_context("spawn").Process(target=_poll_process, args=(uuid, other))
    poller.start()
    try:
        facts = pipe.recv()
        phases = perform(plan(quick), gpu.work)
        time.sleep(1.5)
        pipe.send("stop")
        polled = pipe.recv()
    finally:
        poller.join(10)
        if poller.is_alive():
            poller.terminate()
    made = {"simulated": "", **facts, "torch": torch.__version__, "cuda": torch.version.cuda}
    return {**made, **packed(phases, polled, gpu.flops, gpu.moved_bytes)}


# Storing


def packed(
    phases: Sequence[Phase],
    polled: dict[str, Any],
    flops: dict[str, float],
    moved_bytes: dict[str, float],
) -> dict[str, Any]:
    """Put phases and readings into a form that is small as JSON; times are from the first poll."""
    zero_s = polled["start_s"]
    return {
        "polls": polled["polls"],
        "length_s": round(polled["stop_s"] - zero_s, 4),
        "read_p50_us": {
            name: round(1e6 * sorted(took)[len(took) // 2], 1)
            for name, took in polled["read_s"].items()
            if took
        },
        "states": [[round(at_s - zero_s, 1), *state] for at_s, *state in polled["states"]],
        "phases": [_packed_phase(phase, zero_s, flops, moved_bytes) for phase in phases],
        "traces": {name: _packed_trace(c, zero_s) for name, c in polled["changes"].items()},
    }


def _packed_phase(
    phase: Phase, zero_s: float, flops: dict[str, float], moved_bytes: dict[str, float]
) -> Phase:
    kept: Phase = {key: phase[key] for key in ("name", "kind", "period_s", "times") if key in phase}
    kept["start_s"] = round(phase["start_s"] - zero_s, 6)
    kept["stop_s"] = round(phase["stop_s"] - zero_s, 6)
    kept["switches"] = list(_steps(_ticks(at_s - zero_s) for at_s in phase["switches_s"]))
    if phase["kind"] in flops:
        kept["flops"] = flops[phase["kind"]] * phase["times"]
    if phase["kind"] in moved_bytes:
        kept["bytes"] = moved_bytes[phase["kind"]] * phase["times"]
    return kept


def _packed_trace(changes: Sequence[tuple[float, float, int]], zero_s: float) -> dict[str, Any]:
    """Store changes as steps: of time in ticks, of the reading in mW or mJ."""
    gaps = sorted(after_s - before_s for before_s, after_s, _ in changes) or [0.0]
    return {
        "gap_p50_ms": round(1e3 * gaps[len(gaps) // 2], 3),
        "gap": [_ticks(after_s - before_s) for before_s, after_s, _ in changes],
        "t": list(_steps(_ticks(after_s - zero_s) for _, after_s, _ in changes)),
        "v": list(_steps(value for *_, value in changes)),
    }


def _ticks(length_s: float) -> int:
    return round(length_s / TICK_S)


def _steps(values: Iterator[int]) -> Iterator[int]:
    last = 0
    for value in values:
        yield value - last
        last = value


def main() -> int:
    """Do what the command line asks."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="about one minute instead of four")
    parser.add_argument("--out", type=Path, default=Path.cwd(), help="folder of JSON and figure")
    parser.add_argument("--simulated", metavar="BOARD", help="a simulated board: hopper, a100, ...")
    parser.add_argument("--analyse", metavar="FILE", type=Path, help="compare a stored result anew")
    asked = parser.parse_args()
    if asked.analyse:
        result = json.loads(asked.analyse.read_text(encoding="utf-8"))
    elif asked.simulated:
        sys.path.insert(0, str(HERE))
        from simulated_board import simulated

        result = simulated(asked.simulated, plan(asked.quick))
    else:
        result = capture(asked.quick)
    if not asked.analyse:
        made_at = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        result = {"format": FORMAT, "made_at": made_at, "quick": asked.quick, **result}
    return finish(result, asked.analyse or asked.out / f"{name_of(result)}.json")


def name_of(result: dict[str, Any]) -> str:
    """Name a result after its device and its day."""
    device = result["device"].get("name", "gpu")
    words = f"simulated {result['simulated']}" if result["simulated"] else device
    return "-".join([*words.lower().split(), result["made_at"][:10]])


def finish(result: dict[str, Any], path: Path) -> int:
    """Compare, store and draw what was measured, and print the comparison."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path, result)  # whatever becomes of the comparison
    sys.path[:0] = [str(HERE), str(HERE.parent / "src")]
    try:
        from compare import compare, table

        result["comparison"] = compare(result)
        _write(path, result)
        print(table(result))
    except ImportError as error:
        print(f"not compared here ({error}); on a machine with joulebench: --analyse {path}")
    print(path)
    try:
        from picture import draw

        print(draw(result, path.with_suffix(".png")))
    except ImportError as error:
        print(f"no figure: {error}")
    return 0


def _write(path: Path, result: dict[str, Any]) -> None:
    path.write_text(json.dumps(result, separators=(",", ":")), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
