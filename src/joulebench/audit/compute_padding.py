"""Savings by dropping tokens that are savings by not padding."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from joulebench.audit.columns import words_of
from joulebench.audit.rule import Rule
from joulebench.audit.table import AuditTable, Floats
from joulebench.finding import Finding

STEEPEST = 2.0
"""Energy can fall at most with the square of the tokens: where all of it went into attention."""

PROPORTIONAL = 1.5
"""Up to this power the steps among the other rows are called proportional to their tokens."""

LEAST = 0.25
"""Below this power the energy does not follow the tokens: something else is the work."""

SPREAD = 0.85
"""What repeats of one configuration differ by is left out of the judgement: 15 %."""

CONSTANT = 0.1
"""Energies per padded place that vary by less than this are one figure."""

PADDED = 0.2
"""Share of places without a token above which padding is worth a word."""

_EQUAL = 0.01
_LEAST_STEP = 0.02
"""Rows whose tokens differ by less are repeats of one setting, not steps of a sweep."""

_PADDING = {"padding", "pad", "padded"}
_REAL = {"real", "actual", "valid", "true", "unpadded", "nonpad", "nonpadding", "attended"}
_LENGTHS = {"length", "len", "seqlen"}
_MOST_ROWS = 5000


@dataclass(frozen=True, slots=True)
class _Sweep:
    """Rows that differ in how many tokens are processed, and in nothing else.

    Args:
        rows: Their numbers, most work first.
        joules: Energy of each, J: of the whole run or of one example.
        tokens: Tokens that are no padding; NaN where the table does not say.
        places: Places processed, padding and all: windows times their length; NaN where unknown.
        lengths: Length that sequences are cut or padded to; NaN where unknown.
    """

    rows: list[int]
    joules: Floats
    tokens: Floats
    places: Floats
    lengths: Floats


def _padding(table: AuditTable) -> Iterator[Finding]:
    if not 3 <= len(table) <= _MOST_ROWS:
        return
    energy = _energy_column(table)
    if not energy:
        return
    yield from _places_for_tokens(table, energy)
    for sweep in _sweeps(table, energy):
        found = (
            _dropped_padding(table, energy, sweep)
            or _shorter_padding(table, energy, sweep)
            or _same_answers(table, energy, sweep)
        )
        if found is not None:
            yield found
            return


def _places_for_tokens(table: AuditTable, energy: str) -> Iterator[Finding]:
    """Look for energies per token that were divided by places, padding and all."""
    padded = _padded_column(table)
    real = [c for c in table.measures("tokens", per="") if set(words_of(c)) & _REAL]
    if not (padded and real):
        return
    places, tokens = table.si(padded), table.si(real[0])
    with np.errstate(all="ignore"):
        by_place, share = table.si(energy) / places, 1 - tokens / places
    for column in table.measures("energy", per="token"):
        with np.errstate(all="ignore"):
            rows = np.flatnonzero(
                (np.abs(table.si(column) / by_place - 1) < _EQUAL) & (share > PADDED)
            )
        if rows.size > len(table) / 2:
            row = int(rows[np.argmax(share[rows])])
            yield Finding(
                "padding-counted",
                "warning",
                table.where(column),
                f"in {rows.size} of {len(table)} rows it is {energy} / {padded}, of which up to "
                f"{share[row]:.0%} hold no token: per token of {real[0]} it is "
                f"{places[row] / tokens[row]:.3g} times as much",
                f"divide by {real[0]}: what pads a sequence is no token, and another length would "
                "give another figure for the same text",
                f"{table.si(column)[row]:.4g} J",
                f"{table.si(energy)[row] / tokens[row]:.4g} J",
            )


def _energy_column(table: AuditTable) -> str:
    """Choose the energy of the whole run, else that of one example: the same work in every row."""
    for per in ("", "example"):
        found = table.measures("energy", per=per)
        if found:
            return found[0]
    return ""


def _sweeps(table: AuditTable, energy: str) -> Iterator[_Sweep]:
    """Group rows that are equal in every setting but those that go with tokens or length."""
    length, tokens = _length_column(table), _token_column(table)
    blank = np.full(len(table), np.nan)
    lengths = table.numbers(length) if length else blank
    counts = table.si(tokens) if tokens else blank
    windows = table.measures("windows")
    places = lengths * table.numbers(windows[0]) if windows else blank
    padded = _padded_column(table)
    if padded and not windows:
        places = table.si(padded)
    work = lengths if np.nanmax([*lengths, 0]) > np.nanmin([*lengths, np.inf]) else counts
    joules = table.si(energy)
    for rows in _groups(table, work):
        usable = [row for row in rows if joules[row] > 0 and np.isfinite(work[row])]
        order = sorted(usable, key=lambda row: -work[row])
        if len(order) >= 3:
            yield _Sweep(order, joules[order], counts[order], places[order], lengths[order])


def _length_column(table: AuditTable) -> str:
    for column in table.columns:
        if set(words_of(column)) & _LENGTHS and table.is_number(column):
            return column
    return ""


def _token_column(table: AuditTable) -> str:
    """Choose the number of tokens that a model saw: not those before or after a step of pruning."""
    generated = table.measures("tokens", part="out")
    for column in table.measures("tokens", per=""):
        meaning = table.meaning(column)
        read = meaning is not None and meaning.part == "in"
        if column in generated or (generated and read):
            continue  # prompts are the lesser work where answers are generated
        if not set(words_of(column)) & {"before", "after", "context", "max", "padded"}:
            return column
    return ""


def _padded_column(table: AuditTable) -> str:
    """Give the column that counts places, padding and all; empty where no name says so."""
    counts = table.measures("tokens", per="")
    return next((c for c in counts if "padded" in words_of(c)), "")


def _groups(table: AuditTable, work: Floats) -> list[list[int]]:
    """Group rows by the settings that neither follow from the amount of work nor name a row."""
    kept = [c for c in table.varied if not (_follows(table, c, work) or _says_padding(c))]
    groups: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for row in range(len(table)):
        groups[tuple(str(table.texts(column)[row]) for column in kept)].append(row)
    return list(groups.values())


def _follows(table: AuditTable, column: str, work: Floats) -> bool:
    """Say whether a column names the amount of work or a row, or is a number that goes with it."""
    texts = table.texts(column).tolist()
    amounts = np.unique(work[np.isfinite(work)])
    if len(set(texts)) == len(texts):
        return True
    levels: dict[float, set[str]] = defaultdict(set)
    for amount, text in zip(work.tolist(), texts, strict=True):
        levels[amount].add(text)
    if any(len(found) > 1 for found in levels.values()):
        return False
    if len(set(texts)) >= len(amounts):
        return True
    steps = np.diff(table.numbers(column)[np.argsort(work, kind="stable")])
    return bool(np.all(steps >= 0) or np.all(steps <= 0))


def _says_padding(column: str) -> bool:
    return bool(set(words_of(column)) & _PADDING)


def _dropped_padding(table: AuditTable, energy: str, sweep: _Sweep) -> Finding | None:
    """Look for a first step that saves far more than its tokens, before proportional ones.

    With ``E ~ T^p`` between two rows, ``p`` is at most 2 whatever share attention has.
    """
    order = np.argsort(-sweep.tokens)
    tokens, joules = sweep.tokens[order], sweep.joules[order]
    if not np.all(np.isfinite(tokens)) or np.any(np.diff(tokens) >= 0) or len(tokens) < 3:
        return None
    if np.ptp(sweep.lengths) > 0 or tokens[1] > (1 - _LEAST_STEP) * tokens[0]:
        return None
    step = np.diff(np.log(joules)) / np.diff(np.log(tokens))
    possible = joules[0] * (tokens[1] / tokens[0]) ** STEEPEST
    if joules[1] >= SPREAD * possible or np.median(step[1:]) > PROPORTIONAL:
        return None
    if not _goes_with(tokens[1:], joules[1:]):
        return None
    rows = [sweep.rows[k] for k in order]
    fair = joules[1] * tokens[0] / tokens[1]
    padded = sweep.places[order][0]
    known = (
        f" (it processed {padded:.0f} places for {tokens[0]:.0f} tokens)"
        if padded > tokens[0] / (1 - PADDED)
        else ""
    )
    return Finding(
        "padding-counted",
        "warning",
        table.where(energy),
        f"from {table.places(rows[:1])} to {table.places(rows[1:2])} tokens fall by "
        f"{1 - tokens[1] / tokens[0]:.0%} and energy by {1 - joules[1] / joules[0]:.0%}, while "
        "the other rows follow their tokens: the first was padded and the others were not"
        f"{known}, so most of the saving is padding left out",
        "measure the reference without padding as well, and compare with that",
        f"{joules[0]:.4g} J in the reference",
        f"about {fair:.4g} J without padding: the others' energy per token times its tokens",
    )


def _goes_with(tokens: Floats, joules: Floats) -> bool:
    """Say whether energies follow their tokens: one power of them, within the spread of repeats."""
    x, y = np.log(tokens / tokens[0]), np.log(joules)
    power, level = np.polyfit(x, y, 1)
    return bool(power > LEAST and np.max(np.abs(y - power * x - level)) < -np.log(SPREAD))


def _shorter_padding(table: AuditTable, energy: str, sweep: _Sweep) -> Finding | None:
    """Look for energies that follow the padded places although these hold fewer tokens."""
    shares = 1 - sweep.tokens / sweep.places
    if not np.all(np.isfinite(shares)) or shares[0] < PADDED:
        return None
    if sweep.lengths.max() < 1.5 * sweep.lengths.min() or sweep.joules[0] <= sweep.joules[-1]:
        return None
    by_place, by_token = (
        _variation(sweep.joules / sweep.places),
        _variation(sweep.joules / sweep.tokens),
    )
    if by_place > CONSTANT or by_place > by_token / 2:
        return None
    return Finding(
        "padding-counted",
        "warning",
        table.where(energy),
        f"over {len(sweep.rows)} lengths the energy per padded place is constant "
        f"(it varies by {by_place:.1%}) and that per token is not ({by_token:.0%}): with "
        f"{shares[0]:.0%} of the longest rows' places empty, the saving by shorter sequences is "
        "padding that batches of equal lengths would not have",
        "pad to the longest of each batch, and compare the lengths again",
        f"{shares[0]:.0%} padding at {sweep.lengths[0]:.0f}, {shares[-1]:.0%} at "
        f"{sweep.lengths[-1]:.0f}",
        "no padding in the reference",
    )


def _variation(values: Floats) -> float:
    return float(np.std(values) / np.mean(values))


def _same_answers(table: AuditTable, energy: str, sweep: _Sweep) -> Finding | None:
    """Look for lengths that change nothing in the answers: what they add holds no token."""
    scores = [c for c in table.measures("accuracy") if not set(words_of(c)) & _LENGTHS]
    if not scores or not np.all(np.isfinite(sweep.lengths)) or np.ptp(sweep.lengths) == 0:
        return None
    texts = [tuple(table.texts(c)[row] for c in scores) for row in sweep.rows]
    equal = next((k for k, text in enumerate(texts) if text != texts[0]), len(texts))
    if equal < 3 or max(map(len, texts[0])) < 6 or sweep.joules[equal - 1] > 0.8 * sweep.joules[0]:
        return None
    shown = [f"{sweep.lengths[k]:.0f}" for k in range(equal)]
    saving = 1 - sweep.joules[equal - 1] / sweep.joules[0]
    return Finding(
        "padding-counted",
        "warning",
        table.where(energy),
        f"lengths {', '.join(shown)} give the same {scores[0]} to the last digit, so nothing was "
        f"cut off: the {saving:.0%} of energy between {shown[0]} and {shown[-1]} went into "
        "padding, not into longer inputs",
        "pad to the longest of each batch, and take that as the reference",
        f"{sweep.joules[0]:.4g} J at {shown[0]}",
        f"{sweep.joules[equal - 1]:.4g} J at {shown[-1]}, for the same inputs",
    )


RULES = (Rule("padding-counted", "compute", table=_padding),)
