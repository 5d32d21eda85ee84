"""One vocabulary: the columns of every table, their order, and that docstrings tell them."""

from __future__ import annotations

import inspect
import re

import pandas as pd
import pytest
from public_calls import GIVEN, run

from joulebench import stats

TABLES = sorted(name for name in GIVEN if isinstance(run(name), pd.DataFrame))
ORDER = (
    "test", "term", "contrast", "estimate", "se", "statistic", "value", "df1", "df2", "p",
    "p_adjusted", "adjust", "effect_size", "effect", "ci_low", "ci_high", "confidence", "n",
)  # fmt: skip


def section(name: str, title: str) -> str:
    found = re.search(
        rf"\n    {title}:\n(.*?)(?:\n\n|\Z)", getattr(stats, name).__doc__ or "", re.S
    )
    return found[1] if found else ""


def told_columns(name: str) -> str:
    """Give the section of results, with those of the functions that it refers to."""
    own = section(name, "Returns")
    referred = re.findall(r":func:`[~\w.]*?(\w+)`", own)
    return own + "".join(told_columns(other) for other in referred if other in GIVEN)


@pytest.mark.parametrize("name", TABLES)
def test_columns_stand_in_one_order(name: str) -> None:
    columns = list(run(name).columns)
    assert [c for c in columns if c in ORDER] == [c for c in ORDER if c in columns]
    assert columns[-1] == "note" or "note" not in columns
    assert "n" in columns or name == "spending_boundaries"
    assert ("ci_low" in columns) == ("ci_high" in columns)
    assert "confidence" in columns or "ci_low" not in columns


@pytest.mark.parametrize("name", TABLES)
def test_docstrings_name_the_columns(name: str) -> None:
    said = set(re.findall(r"\w+", told_columns(name)))
    if name in ("sample_size", "smallest_detectable"):
        said |= set(re.findall(r"\w+", told_columns("power_t_test")))
    columns = {re.sub(r"\[.*|_(low|high)$", "", column) for column in run(name).columns}
    columns -= {"ci", "g"}
    assert not {c for c in columns if c not in said and f"{c}_low" not in said}


@pytest.mark.parametrize("name", GIVEN)
def test_docstrings_name_the_arguments(name: str) -> None:
    said = set(re.findall(r"^        \**(\w+):", section(name, "Args"), re.M))
    parameters = inspect.signature(getattr(stats, name)).parameters.values()
    assert {p.name for p in parameters if p.kind is not p.VAR_KEYWORD} <= said
    assert section(name, "Raises") or name == "quotient"


def test_an_argument_means_one_thing() -> None:
    defaults: dict[str, set[str]] = {}
    for name in TABLES:
        for parameter in inspect.signature(getattr(stats, name)).parameters.values():
            if parameter.name in ("missing", "confidence", "mu", "paired"):
                defaults.setdefault(parameter.name, set()).add(repr(parameter.default))
    assert defaults == {
        "missing": {"'refuse'"}, "confidence": {"0.95"}, "mu": {"0.0"}, "paired": {"False"}
    }  # fmt: skip
