"""What the columns of other people's tables mean, read out of their names.

A name is split into words; a word may name a quantity ("energy", "latency"), a unit ("kwh", "ms"),
a part of the machine ("gpu"), a phase of the work ("forward"), a statistic ("sem") or, after "per",
what the quantity is counted by ("token"). A unit is taken where it stands in brackets or as the
last word of the quantity, so that the "j" of "energy_j" is joules.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from joulebench.audit.column_text import (
    bracketed,
    counts_board_hours,
    is_of_time,
    statistics_beside,
    with_short_units,
    words_of,
)
from joulebench.audit.column_words import (
    COUNTS,
    EXACT_UNITS,
    MULTIPLES,
    NOT_A_MEASURE,
    PARTS,
    PER,
    PHASES,
    QUANTITIES,
    STATISTICS,
    UNITS,
)

__all__ = [
    "BOOKKEEPING", "REPETITIONS", "RUN_IDS", "Meaning", "meaning_of", "plain_name", "words_of",
]  # fmt: skip

_LONGEST_NAME = 200  # what follows is no part of a name that anybody would read

_COUNTED_PER_SECOND = frozenset({"tokens", "requests", "throughput"})
_OUT = frozenset({"out", "output", "response", "generated", "completion", "new", "decode"})

RUN_IDS = ("run_id", "__run_id", "runid", "id", "run", "experiment_id", "trial_id", "uuid")
"""Names of columns that say which run a row is of, the surest first; without regard to case."""

REPETITIONS = (
    "repetition", "rep", "repeat", "replicate", "trial", "iteration", "seed", "block", "run_number",
)  # fmt: skip
"""Names of columns that count repeats of one setting; without regard to case."""

BOOKKEEPING = frozenset(
    {"", "status", "done", "__done", "order", "testbed", "host", "hostname", "findings", "method",
     "scope", "emissions_method", "checkpoint_path", "line", "notes", "comment"}
)  # fmt: skip
"""Names of columns that are neither settings nor measurements; without regard to case."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a column measures.

    Args:
        kind: Quantity: energy, power, duration, timestamp, tokens, requests, windows, throughput,
            accuracy, graded, correct, flops, rate (FLOP/s), efficiency (work per joule), memory,
            temperature, utilisation, frequency, emissions, cost, loss, product, readings.
        unit: As written in the name; empty where it says none.
        to_si: Factor to J, W, s, byte, FLOP, FLOP/s, FLOP/J, kg; 1 where no unit is said.
        part: Of the machine or of the tokens: cpu, gpu, dram, core, uncore, platform, node, wall,
            total, in, out; empty where the name says none.
        per: What it is counted by: token, example, correct, window, step, batch, flop, parameter;
            empty for the whole run; a latency is of one example. Of an efficiency or a throughput,
            the work: flops, tokens, requests; empty where the name does not say it.
        statistic: mean, sum, sem, sd, ... ; empty where the name says none.
        phase: forward, backward, training, inference, prefill, decode, idle, load, ...; empty
            where the name says none; "net" where the idle power was taken off.
    """

    kind: str
    unit: str = ""
    to_si: float = 1.0
    part: str = ""
    per: str = ""
    statistic: str = ""
    phase: str = ""

    @property
    def is_value(self) -> bool:
        """Whether it is an amount itself, not a statement about its spread or a share of it."""
        peak = self.kind == "memory" and self.statistic == "max"
        return peak or self.statistic in ("", "mean", "sum", "median")


def plain_name(name: str) -> str:
    """Give a column's name in small letters, without the objects that it was nested in."""
    low = name.strip().lower()
    return low.rpartition(".")[2] or low


@lru_cache(maxsize=4096)
def meaning_of(name: str) -> Meaning | None:
    """Read out of a column's name what it measures; ``None`` where it is no measurement."""
    name = with_short_units(name[:_LONGEST_NAME])
    words = words_of(name)
    if not words or name.lower().strip() in RUN_IDS or name.lower().strip() in BOOKKEEPING:
        return None
    before, counted_by = _split_per(words)
    before += statistics_beside(name, before)
    unit = _unit_of(name, before, counted_by)
    kind = _kind_of(before, unit) if before else ""
    if counts_board_hours(name) or not kind or _is_setting(words, kind, before):
        return None
    kind, per = _with_divisor(kind, counted_by or _implied_divisor(words, kind))
    per = per or _work_of(words, kind)
    return Meaning(
        kind,
        unit[0],
        (unit[2] if unit[1] in ("", kind, "flops") or kind in ("efficiency", "bandwidth") else 1.0)
        / (_multiple(counted_by) if counted_by else 1.0),
        _part(before, kind),
        per,
        _statistic(before),
        _first(before + counted_by, PHASES),
    )


def _split_per(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Part the words at "per"; what follows it and says no quantity of its own belongs to it."""
    if "per" not in words:
        return list(words), []
    place = words.index("per")
    before, after = list(words[:place]), list(words[place + 1 :])
    tail = [word for word in after if word in STATISTICS or word in PHASES]
    keep = [word for word in after if word not in tail or word in PER]
    unit = keep[-1:] if len(keep) > 1 and _takes_unit(keep[-1], before) else []
    return before + tail + unit, [word for word in keep if word not in unit]


def _takes_unit(word: str, before: Sequence[str]) -> bool:
    """Say whether the last word after "per" is the unit of what stands before: latency per x ms."""
    kinds = {QUANTITIES[w] for w in before if w in QUANTITIES}
    return word in UNITS and UNITS[word][0] in kinds


def _unit_of(name: str, words: Sequence[str], per: Sequence[str]) -> tuple[str, str, float]:
    """Give unit, its quantity and its size: from brackets first, else the words, the last first."""
    for text in bracketed(name):
        unit = text.split("/")[0].strip().lower()
        if text in EXACT_UNITS:
            return (text, *EXACT_UNITS[text])
        if unit in UNITS:
            return (text, *UNITS[unit])
        if unit == "min" and is_of_time(words):
            return (text, "duration", 60.0)
    end = name.rpartition("_")[2]
    if end in EXACT_UNITS and not name.isupper():
        return (end, *EXACT_UNITS[end])
    for word in reversed(words):
        if word in UNITS and (per or len(word) > 1 or word != words[0]):
            return (word, *UNITS[word])
    return ("", "", 1.0)


def _kind_of(words: Sequence[str], unit: tuple[str, str, float]) -> str:
    named = [QUANTITIES[word] for word in words if word in QUANTITIES]
    if named and words[-1] in ("s", "sec") and set(named) <= _COUNTED_PER_SECOND:
        return "throughput"
    if "tokens" in named and unit[1] in ("energy", "power", "duration"):
        named = [kind for kind in named if kind != "tokens"] or [unit[1]]
    strong = [kind for kind in named if kind not in ("tokens", "requests", "timestamp")]
    counted = _counted_kind(set(words), named, unit[1])
    return counted or _narrow_kind(set(words), strong) or _plain_kind(named, strong, unit[1])


def _counted_kind(words: set[str], named: Sequence[str], measured: str) -> str:
    """Give the kind of a count: of readings, windows, examples, graded answers; or of a stamp."""
    counts = bool(words & COUNTS)
    if counts and words & {"samples", "readings"}:
        return "readings" if set(named) - {"requests"} or measured == "energy" else "requests"
    if counts and "windows" in words:
        return "windows"
    if "timestamp" in named and (words & {"timestamp", "datetime", "date"} or "duration" in named):
        return "timestamp"
    if "graded" in named:
        return "graded"
    return "correct" if counts and "correct" in named else ""


def _narrow_kind(words: set[str], strong: Sequence[str]) -> str:
    """Give the kind that a word settles whatever it stands beside: the clock of the memory."""
    if words & {"utilization", "utilisation", "util", "mfu", "hfu"}:
        return "utilisation"
    return next((kind for kind in ("frequency", "temperature") if kind in strong), "")


def _plain_kind(named: Sequence[str], strong: Sequence[str], measured: str) -> str:
    if measured and measured != "flops" and (not strong or measured in strong):
        return measured
    if measured == "energy" and set(strong) == {"power"}:
        return measured  # a power consumption in kWh is an energy
    if strong:
        first = ("efficiency", "energy", "power")  # the energy of a memory is no memory
        return next((kind for kind in first if kind in strong), strong[0])
    return measured or (named[0] if named else "")


def _is_setting(words: Sequence[str], kind: str, before: Sequence[str]) -> bool:
    """Say whether a word makes the column a setting: a maximum number of tokens, a power limit."""
    plain = set(words) & NOT_A_MEASURE
    if kind == "accuracy":
        plain -= {"precision", "score"}
    if kind in ("energy", "duration", "memory", "flops") and plain <= {"model", "size", "length"}:
        plain = set()
    if words[-1] == "hours" and {"gpu", "node"} & set(words):
        return True
    asked = {"max", "maximum", "min", "minimum"} & set(before) and kind in ("tokens", "requests")
    counted = kind in ("tokens", "requests") and set(words) & COUNTS
    return bool(asked) or bool(plain and not counted)


def _with_divisor(kind: str, per: Sequence[str]) -> tuple[str, str]:
    """Turn a quantity per something into the quantity that this is."""
    ordered = [word for word in ("correct", *reversed(per)) if word in per and word in PER]
    by = next((PER[word] for word in ordered), "")
    if by == "second":
        return {"flops": "rate", "tokens": "throughput", "requests": "throughput",
                "energy": "power", "memory": "bandwidth"}.get(kind, kind), ""  # fmt: skip
    if by in ("joule", "watt") and kind not in ("energy", "power"):
        return "efficiency", kind
    if not by and per:
        return kind, per[-1]
    return kind, by


def _implied_divisor(words: Sequence[str], kind: str) -> list[str]:
    """Give what a latency is of where the name does not say it: one token, batch or request."""
    if kind != "duration":
        return []
    if {"itl", "tpot", "tbt"} & set(words) or {"inter", "token"} <= set(words):
        return ["token"]
    if {"latency", "latencies", "ttft"} & set(words):
        return ["batch"] if "batch" in words else ["step"] if "step" in words else ["example"]
    return []


def _work_of(words: Sequence[str], kind: str) -> str:
    """Give the work that a throughput counts."""
    if kind != "throughput":
        return ""
    named = [QUANTITIES[word] for word in words if word in QUANTITIES]
    if "tokens" in named or "tps" in words:
        return "tokens"
    return "requests" if "requests" in named or {"qps", "rps"} & set(words) else ""


def _multiple(per: Sequence[str]) -> float:
    """Give how large the divisor is: 1,000 in "per 1k tokens", 3.6e6 J in "per kWh"."""
    number = next((float(word) for word in per if word.isdigit()), 0.0)
    big = next((MULTIPLES[word] for word in per[:-1] if word in MULTIPLES), 0.0)
    unit = UNITS.get(per[-1], ("", 1.0))
    return (number or 1.0) * (big or 1.0) * (unit[1] if unit[0] == "energy" else 1.0)


def _part(words: Sequence[str], kind: str) -> str:
    if kind in ("tokens", "throughput"):
        ins = {"in", "input", "prompt", "context"} & set(words)
        outs = _OUT & set(words)
        return "in" if ins and not outs else "out" if outs and not ins else ""
    found = [PARTS[w] for w in (*words, *(w.rstrip("0123456789") for w in words)) if w in PARTS]
    named = [part for part in found if part != "total"]
    added = len({"cpu", "gpu", "dram"} & set(named)) > 1
    part = "total" if added else next(iter(named or found), "")
    if not part and kind in ("energy", "power") and "memory" in words:
        return "dram"
    return "" if kind in ("duration", "timestamp") and part not in ("cpu", "gpu") else part


def _statistic(words: Sequence[str]) -> str:
    """Give the statistic: of a mean difference the difference, of the error of a mean the error."""
    found = [STATISTICS[word] for word in words if word in STATISTICS]
    if {"accuracy", "acc"} & set(words) and "loss" in words:
        return "relative"
    return next((each for each in found if each not in ("mean", "sum")), next(iter(found), ""))


def _first(words: Sequence[str], known: Mapping[str, str]) -> str:
    return next((known[word] for word in words if word in known), "")
