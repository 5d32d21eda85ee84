"""What was asked, what was planned and what happened, as rows of name and value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from joulebench.design import Design
from joulebench.errors import UsageError
from joulebench.report.evidence import Evidence
from joulebench.report.numbers import count, duration, significant

_ORDERS = {
    "blocks": "randomised within blocks (one block is one repetition of every cell)",
    "latin": "rows of Latin squares balanced for carry-over (Williams 1949), in random order (one "
    "block is one repetition of every cell)",
    "shuffle": "randomised over all trials",
    "sequential": "sequential, not randomised: drift and order are confounded",
}


_UNSEEN = ("_epoch_s", "log_tail", "final_emissions_data")
"""Ends of names of facts that are for machines."""


def planned_trials(study: Mapping[str, Any]) -> int | None:
    """Count the trials a study asked for; ``None`` where the file does not say (imports)."""
    if study.get("origin") == "imported" or "factors" not in study:
        return None
    order = study.get("order") or {}
    try:
        return len(
            Design.of(
                study["factors"],
                study.get("exclude") or (),
                study.get("repetitions") or 1,
                order.get("kind", "blocks"),
                order.get("seed", 0),
            )
        )
    except (UsageError, AttributeError, TypeError):
        # A study file from elsewhere may have another form; then nothing is claimed of its plan.
        return None


def design_rows(evidence: Evidence) -> list[tuple[str, str]]:
    """Give the design as it was run."""
    study = evidence.study
    rows = [(f"factor {name}", ", ".join(levels)) for name, levels in evidence.factors.items()]
    if study.get("exclude"):
        rows.append(("excluded", "; ".join(map(str, study["exclude"]))))
    rows.append(("repetitions", _repetitions(evidence)))
    rows.append(("order", _order(study)))
    rows += _controls(evidence)
    rows.append(("trials", _trials(evidence)))
    started = sorted(run.started_at for run in evidence.runs if run.started_at)
    if started:
        rows.append(
            ("first and last start (UTC)", f"{_moment(started[0])} to {_moment(started[-1])}")
        )
    rows.append(("origin of the records", _origin(evidence)))
    return rows


def setting_rows(evidence: Evidence) -> list[tuple[str, str]]:
    """Give the settings of the study that are not its design."""
    names = ("workload", "command", "model", "engine", "tasks", "load", "sampling", "protocol",
             "meters", "source")  # fmt: skip
    study = dict(evidence.study)
    if isinstance(study.get("source"), Mapping):
        # The fingerprint is for the importer, not for readers.
        study["source"] = {k: v for k, v in study["source"].items() if k != "fingerprint"}
    return [(name, flat(study[name])) for name in names if study.get(name) not in (None, [], {})]


def host_rows(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Give the facts of a machine."""
    return [(name.replace("_", " "), _host_fact(name, fact)) for name, fact in facts.items()]


def fact_rows(evidence: Evidence) -> list[tuple[str, str]]:
    """Give what the runs recorded of engine and recorder; figures that vary as their range."""
    seen: dict[str, list[Any]] = {}
    for each in evidence.readings:
        for name, fact in _leaves(each.run.facts):
            known = seen.setdefault(name, [])
            if fact not in known:
                known.append(fact)
    return [(name, _facts_in_one(facts)) for name, facts in seen.items()]


def _leaves(facts: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for name, fact in facts.items():
        place = f"{path}{name}".replace("_", " ")
        if name.endswith(_UNSEEN) or fact in (None, "", [], {}):
            continue
        if isinstance(fact, Mapping):
            yield from _leaves(fact, f"{place} · ")
        else:
            yield place, fact


def _facts_in_one(facts: Sequence[Any]) -> str:
    numbers = [f for f in facts if isinstance(f, int | float) and not isinstance(f, bool)]
    if len(facts) > 3 and len(numbers) == len(facts):
        return f"{min(numbers):g} to {max(numbers):g}"
    if len(facts) > 6:
        return f"{len(facts)} different values"
    return "; ".join(flat(fact) for fact in facts)


def flat(value: Any) -> str:
    """Print a nested value in one line."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_inner(inner)}" for key, inner in value.items())
    if isinstance(value, list):
        return "; ".join(flat(inner) for inner in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)


def _inner(value: Any) -> str:
    text = flat(value)
    return f"({text})" if isinstance(value, Mapping | list) else text


def _host_fact(name: str, fact: Any) -> str:
    if name.endswith("_bytes") and isinstance(fact, int):
        return f"{significant(fact / 2**30)} GiB"
    return flat(fact)


def _repetitions(evidence: Evidence) -> str:
    counts: dict[tuple[str, ...], int] = {}
    for each in evidence.readings:
        cell = tuple(each.levels.values())
        counts[cell] = counts.get(cell, 0) + 1
    asked = None if "imported" in evidence.origin_words else evidence.study.get("repetitions")
    low, high = (min(counts.values()), max(counts.values())) if counts else (0, 0)
    happened = f"{low}" if low == high else f"{low} to {high}"
    return f"{happened} with an energy in each cell" + (f" ({asked} planned)" if asked else "")


def _order(study: Mapping[str, Any]) -> str:
    order = study.get("order")
    if not isinstance(order, Mapping):
        return "as the records tell it; nothing is known of randomisation"
    words = _ORDERS.get(str(order.get("kind", "blocks")), str(order.get("kind")))
    if order.get("group_by"):
        grouped = ", ".join(map(str, order["group_by"]))
        words += f"; runs of one {grouped} together, so that it is confounded with time in a block"
    return f"{words}; seed {order['seed']}" if "seed" in order else words


def _controls(evidence: Evidence) -> list[tuple[str, str]]:
    """Say how many control trials there are, where there are any."""
    every = (evidence.study.get("order") or {}).get("drift_every")
    if not every:
        return []
    cell = " · ".join(evidence.controls[0].levels.values()) if evidence.controls else ""
    known = f"{len(evidence.controls)} with an energy" + (f" of {cell}" if cell else "")
    often = "each trial" if every == 1 else f"every {every} trials"
    return [("drift controls", f"one after {often}, {known}; in no mean and no comparison")]


def _trials(evidence: Evidence) -> str:
    planned = planned_trials(evidence.study)
    done = len(evidence.runs) - len(evidence.failed)
    parts = [f"{planned} planned"] if planned is not None else []
    parts += [f"{done} done", f"{len(evidence.failed)} failed"]
    missing = (planned or 0) - len(evidence.runs)
    if missing > 0:
        parts.append(f"{missing} not run yet")
    silent = done - len(evidence.readings)
    if silent:
        parts.append(f"{count(silent, 'run')} done without an energy")
    measured = sum(each.duration_s or 0 for each in evidence.readings)
    return ", ".join(parts) + f"; {duration(measured)} measured in all"


def _origin(evidence: Evidence) -> str:
    source = evidence.study.get("source") or {}
    if "imported" in evidence.origin_words and isinstance(source, Mapping):
        tool = source.get("kind", "another tool")
        return f"{evidence.origin_words} from {tool}: measured by it, integrated anew here"
    return evidence.origin_words


def _moment(stamp: str) -> str:
    return stamp.replace("T", " ").removesuffix("Z").partition(".")[0]
