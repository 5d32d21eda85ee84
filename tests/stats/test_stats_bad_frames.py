"""Every public function of a frame under data and formulas that cannot be, and in other clothes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from public_calls import FRAME, GIVEN, check, run

from joulebench import stats

Change = Callable[[pd.DataFrame], Any]
OF_FRAMES = sorted(name for name in GIVEN if "frame" in GIVEN[name] and name != "bootstrap")
OF_FORMULAS = sorted(name for name in GIVEN if "formula" in GIVEN[name])
BY_RANKS = {
    "art", "dunn", "friedman", "kruskal", "pairwise_wilcoxon", "pairwise_cliffs_delta", "quade",
    "spearman_by",
}  # fmt: skip


def put(column: str, values: Any) -> Change:
    def changed(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(**{column: values(frame) if callable(values) else values})

    return changed


def at_row(column: str, value: Any) -> Change:
    def changed(frame: pd.DataFrame) -> pd.DataFrame:
        mixed = frame[column].astype(object)
        mixed.iloc[3] = value
        return frame.assign(**{column: mixed})

    return changed


def of_y(change: Callable[[pd.Series], Any]) -> Change:
    return put("y", lambda frame: change(frame["y"]))


def of_g(texts: Any) -> Change:
    return put(
        "g", lambda frame: frame["g"].astype(object).map(dict(zip("abc", texts, strict=True)))
    )


REFUSED: dict[str, Change] = {
    "constant": put("y", 3.0), "zeroes": put("y", 0.0), "one level": put("g", "a"),
    "one row": lambda d: d.iloc[:1], "no rows": lambda d: d.iloc[:0], "no columns": lambda d: d[[]],
    "nan": at_row("y", np.nan), "no response": put("y", np.nan), "no group": at_row("g", None),
    "inf": of_y(lambda y: y.where(y.index != 3, np.inf)),
    "words": of_y(lambda y: [f"w{k}" for k in range(len(y))]),
    "digits": of_y(lambda y: y.astype(str)),
    "one word": at_row("y", "oops"), "complex": of_y(lambda y: y + 0j),
    "dates": of_y(lambda y: pd.date_range("2020", periods=len(y))),
    "spans": of_y(lambda y: pd.to_timedelta(y, "s")),
    "categories": of_y(lambda y: y.astype("category")),
    "NA": of_y(lambda y: pd.Series([None, *range(1, len(y))], y.index, dtype="Int64")),
    "lists": of_y(lambda y: [[1]] * len(y)), "1e300": of_y(lambda y: y * 1e300),
    "1e155": of_y(lambda y: y * 1e155),
    "far apart": of_y(lambda y: np.resize([1e308, -1e308], len(y))),
    "10**400": of_y(lambda y: [10**400 * (k % 5 + 1) for k in range(len(y))]),
    "listed groups": put("g", lambda d: [[k % 3] for k in range(len(d))]),
    "1 and its text": put("g", lambda d: np.resize(np.array([1, "1", 2], object), len(d))),
    "twice": lambda d: pd.concat([d, d[["y"]]], axis=1), "absent": lambda d: d.drop(columns="y"),
    "no group column": lambda d: d.drop(columns="g"),
    "numbered": lambda d: d.set_axis(range(d.shape[1]), axis=1),
    "mapping": lambda d: d.to_dict("list"), "nothing": lambda _: None, "series": lambda d: d["y"],
    "array": lambda d: d[["y", "x"]].to_numpy(), "list": lambda d: [d], "text": lambda _: "frame",
}  # fmt: skip
STRANGE: dict[str, Change] = {
    "1e-300": of_y(lambda y: y * 1e-300), "1e-160": of_y(lambda y: y * 1e-160),
    "1e140": of_y(lambda y: y * 1e140),
    "subnormal": of_y(lambda y: np.arange(1, len(y) + 1) * 5e-324),
    "1e15": of_y(lambda y: 1e15 + np.arange(len(y)) % 5),
    "two values": of_y(lambda y: np.arange(len(y)) % 2),
    "groups alone": put("y", lambda d: d["g"].map({"a": 1, "b": 2, "c": 3.0})),
    "outlier": of_y(lambda y: y.where(y.index != 0, 1e140)), "negative": of_y(lambda y: -y),
    "a row a group": lambda d: d.drop_duplicates("g"), "two rows": lambda d: d.iloc[[0, -1]],
    "a group a row": put("g", lambda d: [f"l{k}" for k in range(len(d))]),
    "flat x": put("x", 1.0),
    "small group": lambda d: d.iloc[7:],
    "constant group": of_y(lambda y: y.where(y.index > 7, 2.0)),
    "yes and no": of_y(lambda y: y > y.median()), "complex groups": of_g([1j, 2j, 3j]),
    "infinite group": of_g([1.0, np.inf, 2.0]), "signs": of_g(["x-1", "x+1", "a:b"]),
    "no text": of_g(["", " ", "nan"]), "unicode": of_g(["é:1", "b b", "[x]"]),
    "x huge": put("x", lambda d: d["x"] * 1e200), "x tiny": put("x", lambda d: d["x"] * 1e-200),
}  # fmt: skip
SAME: dict[str, Change] = {
    "odd index": lambda d: d.set_axis([5, 5, "a", *range(len(d) - 3)], axis=0),
    "two indexes": lambda d: d.set_index(["run", "h"], drop=False),
    "index called g": lambda d: d.set_index(pd.Index(range(len(d)), name="g")),
    "nullable": of_y(lambda y: y.astype("Float64")), "sparse": of_y(pd.arrays.SparseArray),
    "unused levels": put("g", lambda d: pd.Categorical(d["g"], categories=list("zabcq"))),
    "string": put("g", lambda d: d["g"].astype("string")),
    "objects": put("g", lambda d: d["g"].astype(object)),
    "more columns": lambda d: d.assign(**{"": 1, "y y": None, "é": "x"}),
}  # fmt: skip
ANSWERED = {
    *((name, kind) for name in ("pairwise_cliffs_delta", "pairwise_wilcoxon")
      for kind in ("constant", "zeroes")),
    *(("spearman_by", kind) for kind in ("constant", "zeroes", "one level", "one row")),
}  # fmt: skip
"""What has an answer that a note qualifies."""
FORMULAS: tuple[Any, ...] = (
    None, 5, b"y ~ g", "", "y", "~", "y ~", "~ g", "y ~ nope", "nope ~ g", "y ~ G", "y ~ g +",
    "y ~ (g", "y ~ g)", "y ~~ g", "y ~ g ~ h", "log(y ~ g", "exp(y) ~ g", "y ~ .", "y ~ g %in% h",
    "y ~ 0", "y ~ -1", 'y ~ "g"', "y ~ g'", "y ~ g; h", "y ~ g | h | x", "y ~ (1 | nope)",
    "y ~ g + (1 |)", "y ~ (| g)", "y ~ g || h", "y y ~ g", "y ~ g h", "y ~ C(g", "y ~ C(nope)",
    "y ~ I(g)", "y ~ log(g)", "y ~ log(nope)", "y ~ poly(x, 99)", "y ~ poly(x, 0)",
    'y ~ poly(x, "a")', "y ~ lambda: 1", "y ~ 1 / 0", "y ~ I(1 / (x - x))", "y ~ sqrt(-x)", "g ~ y",
    "g ~ h", "y + x ~ g", "cbind(y, x) ~ g", "y ~ offset(x)", "y ~ x @ g", "y ~ g, h", "y, x ~ g",
    "y ~ g + ()", "() ~ g", "y ~ *", "y ~ g *", "y ~ :", "y ~ g:", "y ~ 1e400", "log(log(y)) ~ g",
    "log() ~ g", "log(nope) ~ g", ["y ~ g"], ("y", "g"), {"y": "g"}, "y ~ g\0", "y ~ import os",
    "y ~ ns(x, 3)", "log(y - 100) ~ g", "y ~ as.factor(nope)",
)  # fmt: skip


@pytest.mark.parametrize("name", [n for n in OF_FRAMES if n != "fitted_instead"])
def test_data_that_cannot_be_are_refused(name: str) -> None:
    for kind, change in REFUSED.items():
        still = (name, kind) in ANSWERED
        frame = GIVEN[name]["frame"]
        assert check(name, frame=change(frame.reset_index(drop=True))) or still, kind
    for change in STRANGE.values():
        check(name, frame=change(GIVEN[name]["frame"].reset_index(drop=True)))


@pytest.mark.parametrize("name", [n for n in OF_FRAMES if n != "power_by_simulation"])
def test_missing_values_are_dropped_where_asked(name: str) -> None:
    if "missing" not in stats.__dict__.get(name, getattr(stats, name)).__annotations__:
        return
    frame = GIVEN[name]["frame"].reset_index(drop=True)
    check(name, frame=put("y", np.nan)(frame), missing="drop")
    check(name, frame=at_row("g", None)(frame), missing="drop")
    if name not in ("friedman", "quade"):
        holes = frame.assign(y=frame["y"].where(frame.index != 5))
        with_holes, without = (
            repr_of(run(name, frame=d, missing="drop")) for d in (holes, frame.drop(index=5))
        )
        assert with_holes == without


@pytest.mark.parametrize("name", OF_FRAMES)
def test_frames_in_other_clothes_give_the_same(name: str) -> None:
    frame = GIVEN[name]["frame"].reset_index(drop=True)
    plain = repr_of(run(name, frame=frame))
    for kind, change in SAME.items():
        assert repr_of(run(name, frame=change(frame))) == plain, kind


def repr_of(found: Any) -> str:
    """Give what a frame, or the first method of an object that makes one, holds."""
    for method in ("coefficients", "fixed", "anova", "frame"):
        if not isinstance(found, pd.DataFrame) and callable(getattr(found, method, None)):
            found = getattr(found, method)()
    return found.to_csv() if isinstance(found, pd.DataFrame) else ""


@pytest.mark.parametrize("name", OF_FORMULAS)
def test_formulas_that_cannot_be_are_refused(name: str) -> None:
    for formula in FORMULAS:
        assert check(name, formula=formula), formula


NOISY = {"assumptions", "fligner", "recommended_test"}
"""Fligner and Killeen's ranks of distances, of which R too tells apart what rounding alone does."""


def test_small_whole_numbers_do_not_overflow() -> None:
    frame = FRAME.assign(y=(FRAME["y"] * 8).astype("int8"))
    wide = frame.assign(y=frame["y"].astype(float))
    for name in OF_FRAMES:
        if name != "fitted_instead":
            assert repr_of(run(name, frame=frame)) == repr_of(run(name, frame=wide)), name
    small, x = np.array([200, 250, 255, 3, 7], "uint8"), np.array([1, 2, 3, 250, 251], "uint8")
    for name in ("t_test", "wilcoxon_signed_rank", "cohens_d", "permutation_test", "bland_altman"):
        plain = run(name, **dict(zip(list(GIVEN[name])[:2], (small * 1.0, x * 1.0), strict=True)))
        bytes_ = run(name, **dict(zip(list(GIVEN[name])[:2], (small, x), strict=True)))
        assert repr(bytes_) == repr(plain), name


@pytest.mark.parametrize("name", sorted({*OF_FRAMES} - NOISY))
@pytest.mark.parametrize("unit", [1e-140, 1e140])
def test_the_unit_changes_no_p(name: str, unit: float) -> None:
    frame = GIVEN[name]["frame"]
    plain, scaled = (run(name, frame=d) for d in (frame, frame.assign(y=frame["y"] * unit)))
    if isinstance(plain, pd.DataFrame) and "p" in plain:
        np.testing.assert_allclose(scaled["p"], plain["p"], rtol=1e-9)
