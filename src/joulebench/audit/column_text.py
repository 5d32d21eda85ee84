"""How the names of columns are written: their words, what stands in brackets, signs."""

from __future__ import annotations

import re
from collections.abc import Sequence

from joulebench.audit.column_words import QUANTITIES, STATISTICS

_WORDS = re.compile(r"[^\W\d_]+\d*|\d+|%")
_CAMEL = re.compile(r"(?<=[a-z]{2})(?=[A-Z])|(?<=[0-9])(?=[A-Z][a-z])")
_BRACKETS = re.compile(r"[(\[{]\s*([^)\]}]*?)\s*[)\]}]")
_WATT_HOURS = re.compile(r"(kilo|milli)?watts?[ _-]?hours?", re.IGNORECASE)
_BOARD_HOURS = re.compile(r"(gpu|node|device|card)[ _-]?(hours?|hrs?|h)", re.IGNORECASE)
_COMMAS = re.compile(r"[,;]")
_PLUS_MINUS = ("±", "+/-", "+-")


def words_of(name: str) -> list[str]:
    """Split the name of a column into words in small letters.

    What stands in brackets is left out as a unit, unless it says what is counted by: (J/token).
    """
    bare = _BRACKETS.sub(_divisor_kept, name).replace("/", " per ")
    return [word.lower() for word in _WORDS.findall(_CAMEL.sub(" ", bare))]


def _divisor_kept(bracket: re.Match[str]) -> str:
    return f" {bracket.group(1)} " if "/" in bracket.group(1) else " "


def with_short_units(name: str) -> str:
    """Write units of watt-hours as one word: kWh for kilowatt-hours."""
    return _WATT_HOURS.sub(_short, name)


def _short(hours: re.Match[str]) -> str:
    return {"kilo": "kWh", "milli": "mWh"}.get((hours.group(1) or "").lower(), "Wh")


def bracketed(name: str) -> list[str]:
    """Give what stands in brackets, piece by piece: "J" and "mean" of "energy (J, mean)"."""
    pieces = (piece for text in _BRACKETS.findall(name) for piece in _COMMAS.split(text))
    return [piece.strip() for piece in pieces]


def counts_board_hours(name: str) -> bool:
    """Say whether a time is that of all boards together: "Time (GPU hours)"."""
    return any(_BOARD_HOURS.fullmatch(text) for text in bracketed(name))


def is_of_time(words: Sequence[str]) -> bool:
    """Say whether words speak of a time, so that "min" beside them is minutes."""
    return any(QUANTITIES.get(word) == "duration" for word in words)


def statistics_beside(name: str, words: Sequence[str]) -> list[str]:
    """Give the statistics that a name tells in brackets, or by a sign; minutes are none."""
    found = [text.lower() for text in bracketed(name) if text.lower() in STATISTICS]
    signed = ["uncertainty"] if any(sign in name for sign in _PLUS_MINUS) else []
    return signed + [word for word in found if word != "min" or not is_of_time(words)]
