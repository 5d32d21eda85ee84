"""Designs that several responses share: made once, and never of values that have changed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from joulebench.stats.anova import anova
from joulebench.stats.anova_refusal import _KNOWN
from joulebench.stats.emmeans import emmeans
from joulebench.stats.fixed_design import FixedDesign
from joulebench.stats.layout_digest import layout_digest
from joulebench.stats.linear_model import lm
from joulebench.stats.refused import Refused


def _frame() -> pd.DataFrame:
    rng = np.random.default_rng(8)
    a = np.repeat(["u", "v", "w"], 8)
    return pd.DataFrame(
        {"a": a, "b": np.tile(["p", "q"], 12), "x": rng.normal(size=24), "y": rng.normal(9, 1, 24)}
    )


def test_responses_of_one_design_share_its_matrix() -> None:
    frame = _frame()
    first, second = lm("y ~ a * b + x", frame), lm("log(y) ~ a * b + x", frame)
    assert first.design.x is second.design.x
    assert first.design.frame is first.frame
    assert second.design.frame is second.frame


@pytest.mark.parametrize(
    ("column", "values"),
    [("x", np.arange(24.0)), ("a", np.tile(["u", "v", "w"], 8)), ("b", np.repeat(["p", "q"], 12))],
)
def test_values_that_change_in_place_make_another_design(
    column: str, values: np.ndarray[tuple[int], np.dtype[np.float64]]
) -> None:
    frame = _frame()
    before = anova("y ~ a + b + x", frame)
    frame[column] = values
    after = anova("y ~ a + b + x", frame)
    fresh = FixedDesign.of("a + b + x", frame.copy())
    assert lm("y ~ a + b + x", frame).design.x == pytest.approx(fresh.x)
    assert abs(before["value"][0] - after["value"][0]) > 1e-3


def test_an_order_of_levels_makes_another_design() -> None:
    frame = _frame()
    assert lm("y ~ a", frame).design.columns == ("(Intercept)", "a[v]", "a[w]")
    frame["a"] = pd.Categorical(frame["a"], ["w", "v", "u"])
    assert lm("y ~ a", frame).design.columns == ("(Intercept)", "a[v]", "a[u]")
    frame["a"] = frame["a"].cat.rename_categories({"u": "z"})
    assert lm("y ~ a", frame).design.columns == ("(Intercept)", "a[v]", "a[z]")


def test_numbers_and_texts_of_them_are_two_designs() -> None:
    frame = _frame()
    frame["k"] = np.tile([1, 2, 3], 8)
    assert lm("y ~ k", frame).design.x.shape == (24, 2)
    assert lm("y ~ k", frame.astype({"k": str})).design.x.shape == (24, 3)


def test_marginal_means_of_another_response_are_its_own() -> None:
    frame = _frame()
    for response in ("y", "log(y)", "x"):
        model = lm(f"{response} ~ a * b", frame)
        plain = model.response.reshape(3, 4, 2).mean(axis=(1, 2))
        assert emmeans(model, "a").frame()["estimate"].to_numpy() == pytest.approx(plain)


def test_a_matrix_that_is_kept_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        lm("y ~ a", _frame()).design.x[0, 0] = 7.0


def test_columns_of_lists_are_not_kept_but_refused_as_ever() -> None:
    lists: Any = [[k] for k in range(24)]
    frame = _frame().assign(z=lists)
    assert layout_digest(frame, ["z"], "y") is None
    with pytest.raises((Refused, TypeError)):
        lm("y ~ z", frame)


def test_a_refusal_is_found_once_for_responses_that_lie_alike() -> None:
    rows = [("2", "7"), ("3", "8"), ("4", "1"), ("4", "3")]
    frame = pd.DataFrame(
        [{"g": g, "s": s, "t": t, "y": 1.0 + k + 3 * float(g), "z": 2.0 + k * k}
         for g, s in rows for k, t in enumerate("abcd")]
    )  # fmt: skip
    _KNOWN.clear()
    said = []
    for response in ("y", "log(y)", "z"):
        with pytest.raises(Refused) as refused:
            anova(f"{response} ~ g * s", frame)
        said.append(str(refused.value))
    assert len(_KNOWN) == 1
    assert said[1] == said[0].replace("'y ~", "'log(y) ~")
    assert said[2] == said[0].replace("'y ~", "'z ~")
    # The same levels in other rows, other words; and another row empty.
    with pytest.raises(Refused) as refused:
        anova("y ~ g * s", frame.assign(s=frame["s"].where(frame.index != 7, "7")))
    assert len(_KNOWN) == 2
    assert str(refused.value) != said[0]
    with pytest.raises(Refused) as refused:
        anova("y ~ g * s", frame[frame["g"] != "2"])
    assert len(_KNOWN) == 3
    assert str(refused.value) != said[0]
