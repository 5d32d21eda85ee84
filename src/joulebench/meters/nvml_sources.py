"""What one GPU lets NVML read: its energy counter and its powers, each with its channel.

The field values take a scope: the GPU's board, the module that it shares with an NVIDIA CPU, or its
memory (``NVML_POWER_SCOPE_*``). ``nvmlDeviceGetPowerUsage`` averages over one second on Ampere
(except GA100) and later, so it is asked only where no field value answers (NVML API reference).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from joulebench.channel import Channel
from joulebench.meters.nvml_devices import Gpu
from joulebench.meters.nvml_errors import sentence
from joulebench.meters.nvml_library import Field, Nvml, Refused
from joulebench.nvml_timing import assumed, counter_period_s, power_timing
from joulebench.sensor_gains import NVML_GAIN

RESOLUTION = 1e-3
"""NVML counts in mW and mJ."""

BOARD, MODULE, MEMORY = 0, 1, 2
"""``NVML_POWER_SCOPE_GPU``, ``_MODULE`` and ``_MEMORY``."""

SCOPES = {BOARD: "gpu board", MODULE: "gpu module", MEMORY: "gpu memory"}

TOTAL_ENERGY: Field = (83, BOARD)
MODULE_ENERGY: Field = (191, MODULE)
MODULE_LIMIT: Field = (190, MODULE)
_AVERAGE, _INSTANT = 185, 186

READINGS = ("energy", "power", "power_average", "module_energy", "module_power", "memory_power")
"""What may be read of a GPU, in the order of its channels."""

USUAL = READINGS[:-1]
"""What is read unless something else is asked for: memory power is a part of the rest."""

_ASKED = (
    TOTAL_ENERGY,
    *((field, scope) for scope in SCOPES for field in (_INSTANT, _AVERAGE)),
    MODULE_ENERGY,
    MODULE_LIMIT,
)

_MORE_THAN_THE_BOARD = 1.02
"""Ratio from which a module's power is one of its own: some drivers ignore the scope."""


@dataclass(frozen=True)
class Source:
    """One reading of one GPU.

    Args:
        quantity: What it is, one of :data:`READINGS`.
        channel: What is known of it.
        field: Field value that gives it, in thousandths; ``None`` where a function does.
        function: That function of NVML.
    """

    quantity: str
    channel: Channel
    field: Field | None = None
    function: str = ""


@dataclass(frozen=True)
class Offer:
    """What one GPU offers.

    Args:
        sources: Its readings, in the order of their channels.
        notes: What a reader must know of them, and why others are missing.
    """

    sources: tuple[Source, ...]
    notes: tuple[str, ...]

    def get(self, quantity: str) -> Source | None:
        """Give one reading; ``None`` where it is not offered."""
        return next((one for one in self.sources if one.quantity == quantity), None)

    def without(self, quantity: str, why: str) -> Offer:
        """Leave one reading out, and say why."""
        kept = tuple(one for one in self.sources if one.quantity != quantity)
        return Offer(kept, (*self.notes, why) if why else self.notes)

    def put(self, source: Source, why: str = "") -> Offer:
        """Replace the reading of the same quantity, and say why."""
        kept = tuple(source if one.quantity == source.quantity else one for one in self.sources)
        return Offer(kept, (*self.notes, why) if why else self.notes)


def offer(nvml: Nvml, gpu: Gpu) -> Offer:
    """Ask a GPU for everything once, and describe what answers.

    Args:
        nvml: The open library.
        gpu: The GPU.
    """
    answers = nvml.fields(gpu.handle, _ASKED)
    limit_w = _limit_w(nvml, gpu)
    parts = (
        _energy(nvml, gpu, answers),
        *_powers(nvml, gpu, answers),
        _module_energy(gpu, answers),
        _scoped(gpu, answers, MODULE, "module_power"),
        _scoped(gpu, answers, MEMORY, "memory_power"),
    )
    sources = [_limited(one, limit_w, answers) for one in parts if isinstance(one, Source)]
    notes = [one for one in parts if isinstance(one, str) and one]
    if assumed(gpu.architecture) and sources:
        notes.append(
            f"{gpu.device}: update and averaging times of {gpu.name} are assumed to be Hopper's; "
            "measure them: joulebench doctor --characterize"
        )
    return Offer(tuple(sources), tuple(notes))


def channel(gpu: Gpu, quantity: str, timing: tuple[float, float], scope: int = BOARD) -> Channel:
    """Describe one reading of a GPU.

    Args:
        gpu: The GPU.
        quantity: One of :data:`READINGS`.
        timing: Update period and averaging time, s.
        scope: Number of the scope.
    """
    return Channel(
        f"{gpu.device}:{quantity}",
        "J" if quantity.endswith("energy") else "W",
        resolution=RESOLUTION,
        gain=NVML_GAIN,
        period_s=timing[0],
        averaging_s=timing[1],
        scope=SCOPES[scope],
    )


def _energy(nvml: Nvml, gpu: Gpu, answers: dict[Field, float | Refused]) -> Source | str:
    here = channel(gpu, "energy", (counter_period_s(gpu.architecture), 0.0))
    if _positive(answers[TOTAL_ENERGY]):
        return Source("energy", here, TOTAL_ENERGY)
    function = "nvmlDeviceGetTotalEnergyConsumption"
    try:
        counted_mj = nvml.ask(function, gpu.handle)
    except Refused as error:
        return f"{here.name}: {sentence(error.code)}"
    if not counted_mj:
        return f"{here.name}: the counter stands still at zero"
    return Source("energy", here, function=function)


def _powers(nvml: Nvml, gpu: Gpu, answers: dict[Field, float | Refused]) -> list[Source | str]:
    found = [
        Source("power", _timed(gpu, "power", name), (field, BOARD))
        for name, field in (("instant", _INSTANT), ("average", _AVERAGE))
        if _positive(answers[field, BOARD])
    ]
    if not found:
        return _usage(nvml, gpu)
    which = "instant" if found[0].field == (_INSTANT, BOARD) else "average"
    said = f"{gpu.device}:power is NVML's {which} power of {gpu.name}"
    if len(found) == 1:
        return [found[0], said]
    average = replace(
        found[1], quantity="power_average", channel=_timed(gpu, "power_average", "average")
    )
    return [found[0], average, said]


def _usage(nvml: Nvml, gpu: Gpu) -> list[Source | str]:
    function = "nvmlDeviceGetPowerUsage"
    try:
        milliwatts = nvml.ask(function, gpu.handle)
    except Refused as error:
        return [f"{gpu.device}:power: {sentence(error.code)}"]
    if not milliwatts:
        return [f"{gpu.device}:power: the GPU gives 0 W, which no board draws"]
    source = Source("power", _timed(gpu, "power", "usage"), function=function)
    return [source, f"{gpu.device}:power is NVML's usage power of {gpu.name}"]


def _module_energy(gpu: Gpu, answers: dict[Field, float | Refused]) -> Source | str:
    if not _positive(answers[MODULE_ENERGY]):
        return ""
    here = channel(gpu, "module_energy", (counter_period_s(gpu.architecture), 0.0), MODULE)
    return Source("module_energy", here, MODULE_ENERGY)


def _scoped(
    gpu: Gpu, answers: dict[Field, float | Refused], scope: int, quantity: str
) -> Source | str:
    """Describe the power of a scope, unless it is the board's own under another name."""
    for name, field in (("instant", _INSTANT), ("average", _AVERAGE)):
        watts, board = answers[field, scope], answers[field, BOARD]
        if not _positive(watts):
            continue
        more = _value(watts) / _value(board) if _positive(board) else None
        if more is None or (more > _MORE_THAN_THE_BOARD if scope == MODULE else more < 1):
            return Source(quantity, _timed(gpu, quantity, name, scope), (field, scope))
    return ""


def _timed(gpu: Gpu, quantity: str, source: str, scope: int = BOARD) -> Channel:
    return channel(gpu, quantity, power_timing(gpu.architecture, gpu.ga100, source), scope)


def _limit_w(nvml: Nvml, gpu: Gpu) -> float | None:
    limit_mw = nvml.known("nvmlDeviceGetEnforcedPowerLimit", gpu.handle)
    return float(limit_mw) * 1e-3 if limit_mw else None


def _limited(
    source: Source, limit_w: float | None, answers: dict[Field, float | Refused]
) -> Source:
    """Give a channel the limit of what it covers; none is known for the memory alone."""
    scope = source.channel.scope
    if scope == SCOPES[MODULE]:
        limit_w = _value(answers[MODULE_LIMIT]) * 1e-3 or None
    elif scope == SCOPES[MEMORY]:
        limit_w = None
    return replace(source, channel=replace(source.channel, limit_w=limit_w))


def _value(answer: float | Refused) -> float:
    return 0.0 if isinstance(answer, Refused) else answer


def _positive(answer: float | Refused) -> bool:
    return _value(answer) > 0
