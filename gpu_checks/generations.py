"""Measures what a token costs on an NVIDIA GPU: five published shapes with random weights.

Each shape is drawn on the device in bfloat16 and generates answers of a fixed length from prompts
of a fixed length, alone and eight at a time; prefill and decode have windows of their own. The
energy counter of NVML and its power, integrated, go through Joulebench's own meters and energy
code, and every figure has its 95 % interval. No setting of the card is changed.

Needs torch built for the GPU, transformers, nvidia-ml-py, numpy, scipy and psutil. Joulebench need
not be installed: it is found in ``../src``. Nothing is downloaded.

    python gpu_checks/generations.py --out gpu_checks/results   # below nine minutes on an H200
    python gpu_checks/generations.py --shapes llama-3.2-1b      # one of them
    python gpu_checks/generations.py --simulated hopper         # no GPU: tiny shapes, no real joule
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from joulebench.energy import Energy

FORMAT = 1

HERE = Path(__file__).resolve().parent

SHAPES = ("llama-2-7b", "llama-3-8b", "llama-3.1-8b", "llama-3.2-1b", "llama-3.2-3b")
TINY = ("tiny_a", "tiny_b")
"""Shapes beside a simulated board."""

NEEDS = "pip install torch transformers nvidia-ml-py numpy scipy psutil"

PARTS = ("prefill", "decode")

Case = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """What is done with each shape.

    Args:
        tokens_in: Prompt tokens of a request.
        tokens_out: Generated tokens of a request; the first of them is prefill's.
        batches: How many requests go together.
        repetitions: How often each is measured.
        prefill_s: Least length of a window of prefills, s.
        decode_s: Least length of a window of decodes, s.
        idle_s: Length of the rest with the weights in place, s.
        warmup_s: Work before the first window of a shape, s.
    """

    tokens_in: int = 256
    tokens_out: int = 128
    batches: tuple[int, ...] = (1, 8)
    repetitions: int = 5
    prefill_s: float = 1.5
    decode_s: float = 3.0
    idle_s: float = 3.0
    warmup_s: float = 2.0


QUICK = Plan(16, 5, (1, 2), 2, 0.25, 0.3, 0.3, 0.1)
"""Beside a simulated board: a test of the script, not of a board."""


# Working


class Model:
    """A shape with random weights, on a device.

    Args:
        name: One of Joulebench's shapes.
        device: Of torch.
        dtype: Of torch, by name.
    """

    def __init__(self, name: str, device: str, dtype: str = "bfloat16") -> None:
        import torch

        from joulebench.engines.shapes import shape_named

        self._torch = torch
        self.device = torch.device(device)
        self.shape = shape_named(name)
        start_s = time.monotonic()
        self._model = _drawn(name, self.device, dtype)
        self.wait()
        self.drawn_s = time.monotonic() - start_s

    def wait(self) -> None:
        """Wait until the device has done all that it was given."""
        if self.device.type == "cuda":
            self._torch.cuda.synchronize()

    def prompts(self, batch: int, tokens: int) -> Any:
        """Give drawn token ids, the same at each call."""
        draw = self._torch.Generator().manual_seed(1)
        ids = self._torch.randint(3, self.shape.vocabulary, (batch, tokens), generator=draw)
        return ids.to(self.device)

    def prefill(self, ids: Any) -> tuple[Any, Any]:
        """Read prompts; gives the first token of each answer, and the keys and values."""
        with self._torch.inference_mode():
            told = self._model(ids, use_cache=True, logits_to_keep=1)
            return told.logits[:, -1].argmax(-1, keepdim=True), told.past_key_values

    def decode(self, first: Any, cache: Any, steps: int) -> None:
        """Generate further tokens, greedily and without an end, and forget them again."""
        token = first
        with self._torch.inference_mode():
            for _ in range(steps):
                told = self._model(token, past_key_values=cache, use_cache=True)
                token = told.logits[:, -1].argmax(-1, keepdim=True)
            cache.crop(-steps)

    def memory(self) -> dict[str, int]:
        """Give the most memory of the device that was in use, bytes."""
        if self.device.type != "cuda":
            return {}
        return {"device_bytes": int(self._torch.cuda.max_memory_allocated())}


def _drawn(name: str, device: Any, dtype: str) -> Any:
    """Draw a shape's weights on the device; no tokenizer is built."""
    from joulebench.engines.model_source import ModelSource
    from joulebench.engines.shapes import PREFIX, shape_named
    from joulebench.engines.shapes_build import configuration
    from joulebench.engines.shapes_weights import draw_model

    with tempfile.TemporaryDirectory() as folder:
        content = configuration(shape_named(name), 1, 2)
        (Path(folder) / "config.json").write_text(json.dumps(content), "utf-8")
        source = ModelSource(PREFIX + name, folder, local=True, marker={"shape": name})
        return draw_model(source, dtype, device)


# Measuring


def opened(name: str, meters: list[Any]) -> Any:
    """Give a window; its energies are there once the outermost one has closed."""
    import joulebench as jb

    return jb.measure(name, meters=meters, interval_s=0.05, recorder="process")


def repeat(once: Callable[[], None], wait: Callable[[], None], least_s: float) -> int:
    """Do a piece of work until a time has passed; gives how often."""
    stop_s, times = time.monotonic() + least_s, 0
    while time.monotonic() < stop_s:
        once()
        wait()
        times += 1
    return times


def measured(model: Model, plan: Plan, meters: list[Any]) -> list[Case]:
    """Measure a shape; the batch sizes take turns."""
    works = {batch: _works(model, plan, batch) for batch in plan.batches}
    for prefill, decode in works.values():
        repeat(prefill, model.wait, plan.warmup_s / 2)
        repeat(decode, model.wait, plan.warmup_s / 2)
    found: list[tuple[int, dict[str, tuple[Any, int]]]] = []
    with opened("shape", meters):
        with opened("idle", meters) as idle:
            time.sleep(plan.idle_s)
        for _ in range(plan.repetitions):
            for batch, (prefill, decode) in works.items():
                with opened("prefill", meters) as first:
                    prefills = repeat(prefill, model.wait, plan.prefill_s)
                with opened("decode", meters) as rest:
                    decodes = repeat(decode, model.wait, plan.decode_s)
                found.append((batch, {"prefill": (first, prefills), "decode": (rest, decodes)}))
    of = {batch: [each for size, each in found if size == batch] for batch in plan.batches}
    return [case(plan, batch, each, idle) for batch, each in of.items()]


def _works(model: Model, plan: Plan, batch: int) -> tuple[Callable[[], None], Callable[[], None]]:
    ids = model.prompts(batch, plan.tokens_in)
    first, cache = model.prefill(ids)

    def prefill() -> None:
        model.prefill(ids)

    def decode() -> None:
        model.decode(first, cache, plan.tokens_out - 1)

    return prefill, decode


# Counting


def case(plan: Plan, batch: int, found: Sequence[dict[str, tuple[Any, int]]], idle: Any) -> Case:
    """Make the figures of one shape and batch size, by channel, from the windows."""
    windows = [window for one in found for window, _ in one.values()]
    names = [name for name in windows[0].channels if all(name in w.channels for w in windows)]
    refused = Counter(why for window in windows for why in window.refusals.values())
    doubts = Counter(f"{f.rule}: {f.message}" for window in windows for f in window.findings)
    return {
        "batch": batch,
        "tokens_in": plan.tokens_in,
        "tokens_out": plan.tokens_out,
        "times": {part: [one[part][1] for one in found] for part in PARTS},
        "seconds": {part: [round(one[part][0].duration_s, 4) for one in found] for part in PARTS},
        "tokens_out_per_s": round(_rate(plan, batch, found), 3),
        "channels": {name: _channel(plan, batch, found, name) for name in names},
        "idle_w": {
            name: round(energy.joules / idle.duration_s, 3)
            for name, energy in idle.channels.items()
        },
        "refused": dict(refused),
        "findings": dict(doubts),
    }


def _rate(plan: Plan, batch: int, found: Sequence[dict[str, tuple[Any, int]]]) -> float:
    """Give output tokens a second of whole generations."""
    length_s = [sum(window.duration_s / times for window, times in one.values()) for one in found]
    rate: float = batch * plan.tokens_out / statistics.median(length_s)
    return rate


def _channel(
    plan: Plan, batch: int, found: Sequence[dict[str, tuple[Any, int]]], name: str
) -> dict[str, Any]:
    """Give one channel's joules a token: of prompts, of decoding, of the whole generation."""

    def one_pass(part: str, one: dict[str, tuple[Any, int]]) -> Energy:
        window, times = one[part]
        energy: Energy = window.channels[name]
        return energy / times

    prefills, decodes = ([one_pass(part, one) for one in found] for part in PARTS)
    wholes = [first + rest for first, rest in zip(prefills, decodes, strict=True)]
    return {
        "method": wholes[0].method,
        "scope": wholes[0].scope,
        "prefill_j_per_token_in": interval([e / (batch * plan.tokens_in) for e in prefills]),
        "decode_j_per_token_out": interval([e / (batch * (plan.tokens_out - 1)) for e in decodes]),
        "j_per_token_out": interval([e / (batch * plan.tokens_out) for e in wholes]),
        "joules": {
            part: [round(one[part][0].channels[name].joules, 4) for one in found] for part in PARTS
        },
        "prefill_w": _watts(found, "prefill", name),
        "decode_w": _watts(found, "decode", name),
    }


def _watts(found: Sequence[dict[str, tuple[Any, int]]], part: str, name: str) -> float:
    windows = [one[part][0] for one in found]
    return round(statistics.fmean(w.channels[name].joules / w.duration_s for w in windows), 2)


def interval(energies: Sequence[Energy]) -> dict[str, float]:
    """Give the mean of repetitions with its 95 % interval.

    What repetitions scatter by, the sensor's noise included, shrinks with their number; what the
    sensor is wrong by in all of them does not.
    """
    from scipy import stats

    from joulebench.energy import total

    count = len(energies)
    mean = total(energies) / count
    scatter = statistics.stdev(e.joules for e in energies) / math.sqrt(count) if count > 1 else 0.0
    random = max(scatter * float(stats.t.ppf(0.975, count - 1)) if count > 1 else 0.0,
                 1.96 * mean.noise)  # fmt: skip
    half = math.hypot(random, 1.96 * mean.bias)
    figures = {
        "value": mean.joules,
        "low": mean.joules - half,
        "high": mean.joules + half,
        "random_half": random,
        "bias_half": 1.96 * mean.bias,
    }
    return {name: float(f"{value:.6g}") for name, value in figures.items()}


# The whole


def capture(shapes: Sequence[str], plan: Plan, device: str, meters: list[Any]) -> dict[str, Any]:
    """Measure all shapes; one that cannot be is left out with the reason."""
    from joulebench.errors import UsageError

    results: list[dict[str, Any]] = []
    absent: dict[str, str] = {}
    for name in shapes:
        try:
            results.append(_shape(name, plan, device, meters))
            print(_line(results[-1]), flush=True)
        except (UsageError, MemoryError) as error:
            absent[name] = str(error)
        except RuntimeError as error:
            if "out of memory" not in str(error):
                raise
            absent[name] = str(error).partition("\n")[0]
        if name in absent:
            print(f"{name}: {absent[name]}", flush=True)
        _free(device)
    return {"results": results, "absent": absent}


def _shape(name: str, plan: Plan, device: str, meters: list[Any]) -> dict[str, Any]:
    model = Model(name, device)
    cases = measured(model, plan, meters)
    return {
        "shape": name,
        "parameters": model.shape.parameters,
        "dtype": "bfloat16",
        "drawn_s": round(model.drawn_s, 2),
        **model.memory(),
        "cases": cases,
    }


def _free(device: str) -> None:
    """Give back the memory of a model that nobody holds any more."""
    import gc

    import torch

    gc.collect()
    if device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def _line(result: dict[str, Any]) -> str:
    """Say in one line what a shape's tokens cost, by the first channel."""
    told = []
    for each in result["cases"]:
        for name, channel in each["channels"].items():
            found = channel["j_per_token_out"]
            told.append(
                f"batch {each['batch']} {name} {found['value']:.4g} J/token "
                f"({found['low']:.4g} to {found['high']:.4g})"
            )
    return f"{result['shape']}: {'; '.join(told) or 'no energy'}"


def _device(simulated: str) -> dict[str, Any]:
    if simulated:
        return {"name": f"simulated {simulated}"}
    sys.path.insert(0, str(HERE))
    from measure import Nvml

    return Nvml().facts()


def name_of(result: dict[str, Any]) -> str:
    """Name a result after its device and its day."""
    return "-".join(
        ["generations", *result["device"]["name"].lower().split(), result["made_at"][:10]]
    )


def _checked_gpu() -> None:
    import torch

    if not torch.cuda.is_available():
        sys.exit(
            "generations.py: this torch cannot use a GPU; install torch for it "
            "(https://pytorch.org/get-started/locally), or try: --simulated hopper"
        )


def main() -> int:
    """Do what the command line asks."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--shapes", nargs="+", metavar="SHAPE", help="names of Joulebench's shapes")
    parser.add_argument("--repetitions", type=int, metavar="N")
    parser.add_argument("--out", type=Path, default=Path.cwd(), help="folder of the JSON")
    parser.add_argument("--simulated", metavar="BOARD", help="a simulated board: hopper, a100, ...")
    asked = parser.parse_args()
    sys.path.insert(0, str(HERE.parent / "src"))
    try:
        return _done(asked)
    except ModuleNotFoundError as error:
        sys.exit(f"generations.py: {error.name} is missing: {NEEDS}")


def _done(asked: argparse.Namespace) -> int:
    import torch
    import transformers

    plan, device = Plan(), "cuda"
    shapes: Sequence[str] = SHAPES
    meters: list[Any] = ["nvml"]
    if asked.simulated:
        plan, device, shapes = QUICK, "cpu", TINY
        meters = [{"simulated": {"board": asked.simulated, "watts": 300.0}}]
    else:
        _checked_gpu()
    if asked.repetitions:
        plan = Plan(**{**vars(plan), "repetitions": asked.repetitions})
    start_s = time.monotonic()
    found = capture(asked.shapes or shapes, plan, device, meters)
    result = {
        "format": FORMAT,
        "kind": "generations",
        "made_at": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "simulated": asked.simulated or "",
        "random_weights": True,
        "device": _device(asked.simulated or ""),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "transformers": transformers.__version__,
        "plan": vars(plan),
        "took_s": round(time.monotonic() - start_s, 1),
        **found,
    }
    path = asked.out / f"{name_of(result)}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1, allow_nan=False) + "\n", "utf-8")
    print(path)
    return 0 if found["results"] else 1


if __name__ == "__main__":
    sys.exit(main())
