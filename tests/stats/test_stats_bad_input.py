"""Every public function under arguments that cannot be: one line of refusal, or a right answer."""

from __future__ import annotations

import decimal
import fractions
import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from public_calls import FRAME, GIVEN, OF_ONE, OF_TWO, X, check, pairs, run

from joulebench import stats


def test_every_public_function_is_looked_at() -> None:
    public = {name for name in stats.__all__ if inspect.isfunction(getattr(stats, name))}
    assert public == {*GIVEN, "compare"}


@pytest.mark.parametrize("name", GIVEN)
def test_a_plain_call_answers(name: str) -> None:
    assert not check(name)


SHARES = (
    -1, 0, 1, 1.5, math.nan, math.inf, None, "0.95", [0.95], True, 1j, np.array([0.9, 0.95]),
    10**400,
)  # fmt: skip


@pytest.mark.parametrize(("name", "parameter"), pairs("confidence", "level", "alpha"))
def test_a_share_lies_between_0_and_1(name: str, parameter: str) -> None:
    refused = [check(name, **{parameter: value}) for value in SHARES]
    # A power analysis asks for what is left at None.
    open_question = name in ("power_t_test", "power_anova")
    assert [SHARES[k] for k, told in enumerate(refused) if not told] == [None] * 0 or open_question


WORDS: tuple[Any, ...] = ("zzz", "", 3, b"two-sided", ["two-sided"], math.nan, {})


@pytest.mark.parametrize(
    ("name", "parameter"),
    pairs("alternative", "method", "missing", "pairs", "adjust", "centre", "variance", "quantile",
          "interval", "aliased", "robust", "variances", "kind", "worse", "spending", "weights",
          "scale", "cluster", "block", "blocks", "specs", "by", "covariate", "group", "of"),
)  # fmt: skip
def test_a_word_that_is_not_known_is_refused(name: str, parameter: str) -> None:
    nothing: tuple[Any, ...] = (
        ({}, "") if parameter in ("by", "block", "cluster", "of", "blocks") else ()
    )
    for word in WORDS:
        if (name, parameter, word) == ("smallest_detectable_ratio", "blocks", 3):
            continue
        assert check(name, **{parameter: word}) or word in nothing, word


NUMBERS: tuple[Any, ...] = (
    "a",
    [1],
    (1, 2),
    {},
    b"1",
    1j,
    np.array([1.0, 2.0]),
    pd.NA,
    object(),
    10**400,
)


@pytest.mark.parametrize(
    ("name", "parameter"),
    pairs("mu", "null", "bias", "log_bias", "log_noise", "reading_noise", "noise", "dof", "t", "f",
          "chi2", "df1", "df2", "d", "n", "sd", "gain", "cv_between_repeats", "margin",
          "correct_x", "n_x", "correct_y", "n_y", "resamples", "simulations", "repetitions",
          "copies", "looks", "tightest_at", "type", "degree", "max_degree", "sides"),
)  # fmt: skip
def test_a_number_is_one_number(name: str, parameter: str) -> None:
    for value in NUMBERS:
        several = parameter in ("looks", "margin") and isinstance(value, tuple | list | np.ndarray)
        unused = name == "kruskal" and parameter == "resamples"
        assert check(name, **{parameter: value}) or several or unused, value
    for value in (math.nan, math.inf, -math.inf, -1, 0, 1e308, -1e308, None, True):
        check(name, **{parameter: value})


@pytest.mark.parametrize(("name", "parameter"), pairs("rng"))
def test_random_numbers_need_a_generator(name: str, parameter: str) -> None:
    for value in (None, 3, "a", np.random, np.random.RandomState(1)):
        # Few enough arrangements are gone through one by one; without rng nothing is drawn.
        drawn = name != "permutation_test" and (name, value) != ("kruskal", None)
        assert check(name, **{parameter: value}) or not drawn


@pytest.mark.parametrize(("name", "parameter"), pairs("model", "pilot", "statistic"))
def test_what_is_no_model_is_refused(name: str, parameter: str) -> None:
    for value in (None, 3, "y ~ g", FRAME, FRAME["y"].to_numpy(), object()):
        assert check(name, **{parameter: value})


NO_SAMPLES: dict[str, Any] = {
    "empty": [], "nan": [math.nan, *X[1:]], "inf": [math.inf, *X[1:]], "-inf": [-math.inf, *X[1:]],
    "none inside": [None, *X[1:]], "digits": [str(v) for v in X], "words": list("abcdefgh"),
    "square": np.array(X).reshape(2, 4), "column": np.array(X)[:, None], "ragged": [[1, 2], [3]],
    "nothing": None, "mapping": dict(enumerate(X)), "set": set(X), "text": "abcdefgh",
    "digits in one": "12345678", "bytes": b"abcdefgh", "frame": pd.DataFrame({"a": X}),
    "object": object(), "nones": np.array([None] * 8, object), "complex": np.array(X) + 0j,
    "dates": pd.date_range("2020", periods=8), "spans": pd.to_timedelta(range(8), "s"),
    "numpy spans": np.arange(8).astype("m8[s]"), "too large": [10**400, *X[1:]],
    "NA": pd.Series([1, 2, None, 4, 5, 6, 7, 8], dtype="Int64"), "NaT": pd.Series([pd.NaT] * 8),
    "categories": pd.Series(list("aabbccdd"), dtype="category"), "function": lambda: 1,
    "mixed": [1, "a", 2.0, None, 3, 4, 5, 6], "huge": [v * 1e300 for v in X],
    "far apart": [1e308, -1e308] * 4,
}  # fmt: skip
STRANGE: dict[str, Any] = {
    "constant": [2.0] * 8, "one": [1.5], "two": [1.0, 2.0], "bools": [True, False] * 4,
    "tiny": [v * 1e-300 for v in X], "small": [v * 1e-160 for v in X],
    "large": [v * 1e145 for v in X],
    "subnormal": [5e-324 * k for k in range(1, 9)], "close": [1 + 1e-15 * k for k in range(8)],
    "1e15": [1e15 + k for k in range(8)], "long": [10**30 * k for k in range(8)],
    "zeroes": [0.0] * 8, "negative": [-v for v in X], "scalar": 5.0,
}  # fmt: skip
SAMPLES = ("x", "y", "values", "first", "second", "numerator", "denominator", "p", "scores")


def of_arrays(name: str, parameter: str) -> bool:
    return isinstance(GIVEN[name].get(parameter), list) and name != "log_ratio"


@pytest.mark.parametrize(
    ("name", "parameter"), [pair for pair in pairs(*SAMPLES) if of_arrays(*pair)]
)
def test_samples_that_are_none_are_refused(name: str, parameter: str) -> None:
    for kind, values in NO_SAMPLES.items():
        told = kind in ("empty", "nan", "nones", "NaT") and name == "adjusted"
        one_sample = kind == "nothing" and GIVEN[name].keys() >= {"x", "y"} and parameter == "y"
        many = kind == "huge" and name in ("adjusted", "polynomial_weights")
        assert check(name, **{parameter: values}) or told or one_sample or many, kind
    for values in STRANGE.values():
        check(name, **{parameter: values})
        check(name, **dict.fromkeys((p for p in GIVEN[name] if of_arrays(name, p)), values))


CLOTHES: dict[str, Callable[[list[float]], Any]] = {
    "tuple": tuple, "array": np.array, "objects": lambda v: np.array(v, object),
    "index": pd.Index, "odd index": lambda v: pd.Series(v, [9, 9, 3, 1, "a", None, 2, 0][: len(v)]),
    "nullable": lambda v: pd.Series(v, dtype="Float64"),
    "decimal": lambda v: [decimal.Decimal(str(one)) for one in v],
    "fraction": lambda v: [fractions.Fraction(str(one)) for one in v],
    "strided": lambda v: np.repeat(v, 2)[::2], "big endian": lambda v: np.array(v, ">f8"),
}  # fmt: skip


@pytest.mark.parametrize("name", [*OF_ONE, *OF_TWO, "mcnemar", "within_group_slope", "adjusted"])
def test_samples_in_other_clothes_give_the_same(name: str) -> None:
    plain = run(name)
    given = [p for p in GIVEN[name] if of_arrays(name, p) and p != "groups"]
    for kind, dress in CLOTHES.items():
        found = run(name, **{p: dress(GIVEN[name][p]) for p in given})
        assert repr(found) == repr(plain), kind
