"""Responses that are made of others: power, energy per token, energy per billion parameters."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from joulebench.analysis.response_columns import UNITS, WORDS, Floats, Read, Response

_PARTS = ("cpu_energy_j", "gpu_energy_j", "dram_energy_j")


def with_derived(read: dict[str, Read], sizes: tuple[str, Floats] | None) -> dict[str, Read]:
    """Add what can be made of the responses that were read.

    Power is energy over duration even where a table has a power of its own, unless the user chose
    it: the three then agree. Energy per token is the table's own where it has one, since its
    uncertainty is then known, unless the user chose another energy.

    Args:
        read: Responses by tidy name.
        sizes: Column that states the size of each row's model, and its parameters, billions, shape
            (n,); ``None`` if unknown.
    """
    found = dict(read)
    if "energy_j" not in found:
        found.update((each.response.name, each) for each in _summed(found))
    energy = found.get("energy_j")
    if energy is None:
        return found
    power, per_token = found.get("power_w"), found.get("energy_per_token_j")
    if "duration_s" in found and not (power and power.chosen):
        found["power_w"] = quotient("power_w", energy, found["duration_s"])
    if "tokens" in found and not (per_token and (per_token.chosen or not energy.chosen)):
        found["energy_per_token_j"] = quotient("energy_per_token_j", energy, found["tokens"])
    if sizes is not None:
        size = Read(Response("size_b", "", "billions of parameters", sizes[0]), sizes[1])
        found["j_per_b"] = quotient("j_per_b", energy, size)
    return {name: found[name] for name in (*UNITS, *found) if name in found}


def _summed(read: dict[str, Read]) -> Iterator[Read]:
    """Give the energy of a run as the sum of its parts, where the table has no total."""
    parts = [read[name] for name in _PARTS if name in read]
    if not parts:
        return
    source = " + ".join(part.response.source for part in parts)
    reason = "the table has no energy of the whole machine"
    response = Response("energy_j", UNITS["energy_j"], WORDS["energy_j"], source, reason)
    values: Floats = np.sum([part.si for part in parts], axis=0)
    yield Read(response, values, chosen=any(part.chosen for part in parts))


def quotient(name: str, above: Read, below: Read) -> Read:
    """Divide one response by another; the doubt of the divisor is not counted.

    Durations and tokens are known far better than energies; what a duration adds is correlated with
    what its energy has, and is part of that one's noise already.
    """
    divisor = np.where(below.si > 0, below.si, np.nan)
    source = f"{above.response.source} / {below.response.source}"
    noise, bias = (None if part is None else part / divisor for part in (above.noise, above.bias))
    response = Response(
        name,
        UNITS[name],
        WORDS[name],
        source,
        "",
        "" if noise is None else _beside(name, "noise"),
        "" if bias is None else _beside(name, "bias"),
    )
    return Read(response, above.si / divisor, noise, bias)


def _beside(name: str, what: str) -> str:
    stem, mark, unit = name.rpartition("_")
    return f"{stem}_{what}{mark}{unit}" if unit in ("j", "w") else f"{name}_{what}"
