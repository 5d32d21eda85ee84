"""Cells whose right writing the table itself determines: decimal commas, spellings of a level."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from joulebench.audit.joint_rows import plain_label
from joulebench.audit.table import AuditTable

_COMMA = re.compile(r"[-+]?\d+,\d+([eE][-+]?\d+)?")
_THOUSANDS = re.compile(r"[-+]?\d{1,3}(,\d{3})+")

Edits = dict[int, str]
"""Row, from 0 -> what its cell should say."""


def without_decimal_commas(table: AuditTable, column: str) -> Edits:
    """Write numbers with a decimal comma with a decimal point.

    A column in which every comma could part thousands is left as it is: nothing tells which.
    """
    texts = [str(text) for text in table.texts(column)]
    commas = [text for text in texts if "," in text]
    if not commas or not all(_COMMA.fullmatch(text) for text in commas):
        return {}
    if all(_THOUSANDS.fullmatch(text) for text in commas) or any("." in text for text in texts):
        return {}
    return {row: text.replace(",", ".") for row, text in enumerate(texts) if "," in text}


def with_one_spelling(table: AuditTable, column: str) -> Edits:
    """Write a level that is a number in one way: where 3 and 3.0 both occur, 3."""
    texts = [str(text) for text in table.texts(column)]
    spellings: dict[str, Counter[str]] = {}
    for text in texts:
        spellings.setdefault(plain_label(text), Counter())[text] += 1
    chosen = {plain: _chosen(list(seen)) for plain, seen in spellings.items() if len(seen) > 1}
    return {
        row: chosen[plain_label(text)]
        for row, text in enumerate(texts)
        if chosen.get(plain_label(text), text) != text
    }


def _chosen(spellings: Sequence[str]) -> str:
    return min(spellings, key=lambda text: (len(text), text))
