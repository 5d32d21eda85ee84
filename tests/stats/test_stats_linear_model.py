"""Least squares over factors and numbers, aliased columns among them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from joulebench.stats.emmeans import emmeans
from joulebench.stats.fixed_design import FixedDesign
from joulebench.stats.groups import groups_of
from joulebench.stats.linear_model import lm
from joulebench.stats.lmm_nesting import spans
from joulebench.stats.model_matrix import EngineMatrix, PlainMatrix, matrix_maker
from joulebench.stats.model_terms import fixed_terms
from joulebench.stats.refused import Refused

RNG = np.random.default_rng(5)
N = 60
FRAME = pd.DataFrame(
    {
        "a": RNG.choice(["u", "v", "w"], N),
        "b": RNG.choice(["10", "9"], N),
        "x": RNG.normal(100, 5, N),
        "code": RNG.integers(0, 3, N),
        "one": "same",
    }
)
FRAME["y"] = RNG.normal(size=N) + 0.1 * FRAME["x"] + (FRAME["a"] == "v")
HOLES = FRAME[~((FRAME["a"] == "u") & (FRAME["b"] == "9"))]


def test_coefficients_are_those_of_numpy() -> None:
    model = lm("y ~ a + x", FRAME)
    x = np.column_stack([np.ones(N), FRAME["a"] == "v", FRAME["a"] == "w", FRAME["x"]])
    expected, rest, *_ = np.linalg.lstsq(x, FRAME["y"], rcond=None)
    table = model.coefficients()
    assert list(table["term"]) == ["(Intercept)", "a[v]", "a[w]", "x"]
    assert table["estimate"].to_numpy() == pytest.approx(expected, rel=1e-10)
    se = np.sqrt(np.diag(np.linalg.inv(x.T @ x)) * rest[0] / (N - 4))
    assert table["se"].to_numpy() == pytest.approx(se, rel=1e-9)
    assert set(table["df1"]) == {N - 4}
    assert (table["ci_low"] < table["estimate"]).all()


def test_levels_that_are_numbers_stand_in_their_order() -> None:
    assert lm("y ~ b", FRAME).design.columns == ("(Intercept)", "b[10]")


def test_a_number_may_be_a_factor_as_well() -> None:
    design = lm("y ~ x + C(code) + code", FRAME).design
    assert design.columns == ("(Intercept)", "x", "code[1]", "code[2]")
    assert design.aliased == ("code",)
    assert design.factors == {"code": ["0", "1", "2"]}


def test_empty_cells_leave_their_coefficients_out_and_say_so() -> None:
    model = lm("y ~ a * b", HOLES)
    assert len(model.beta) == 5
    assert model.design.aliased == ("a[w]:b[10]",)
    assert "cannot be told" in model.note
    (interaction,) = (t for t in model.design.terms if t.name == "a:b")
    assert interaction.aliased == ("a[w]:b[10]",)


def test_the_mean_of_an_empty_cell_is_not_estimable_and_others_are() -> None:
    design = FixedDesign.of("a * b + x", HOLES)
    grid = pd.DataFrame({"a": ["u", "u", "v", "w"], "b": ["9", "10", "9", "10"], "x": 100.0})
    assert design.estimable(design.full_rows(grid)).tolist() == [False, True, True, True]


def test_rows_of_a_grid_are_rows_of_the_matrix() -> None:
    design = FixedDesign.of("a * b + poly(x, 2) + log(x)", FRAME)
    assert design.rows(FRAME.iloc[7:9]) == pytest.approx(design.x[7:9], rel=1e-10)
    with pytest.raises(Refused, match="'a' has no level 'z'"):
        design.rows(pd.DataFrame({"a": ["z"], "b": ["9"], "x": [1.0]}))
    with pytest.raises(Refused, match="need a column 'b'"):
        design.rows(pd.DataFrame({"a": ["u"], "x": [1.0]}))


def test_other_contrasts_span_the_same_fits() -> None:
    treatment = FixedDesign.of("a * b", FRAME)
    summed = treatment.recoded("sum")
    fit = treatment.x @ np.linalg.lstsq(treatment.x, FRAME["y"], rcond=None)[0]
    other = summed.x @ np.linalg.lstsq(summed.x, FRAME["y"], rcond=None)[0]
    assert other == pytest.approx(fit, rel=1e-10)
    cells = FRAME[["a", "b"]].drop_duplicates()
    assert summed.rows(cells)[:, 1:].sum(axis=0) == pytest.approx(0, abs=1e-12)


def test_terms_name_their_variables_in_one_order() -> None:
    design = FixedDesign.of("b + a + a:b + x:a", FRAME)
    assert [term.name for term in design.terms] == ["b", "a", "b:a", "a:x"]
    assert design.terms[3].variables == ("a", "x")


@pytest.mark.parametrize("coding", ["treatment", "sum"])
@pytest.mark.parametrize(
    "fixed",
    [
        "a", "a * b", "x", "x + a", "a * x + b", "a * b * C(code)", "0 + x", "x:x2 + a",
        "0 + a", "0 + a + b", "a:b", "a / b", "a:x", "x + a:x", "a:b + b:x", "0 + a:b:x + b",
        "a:b + a:b:C(code)", "a:b + C(code) + a:b:C(code)", "log(x)", "a * sqrt(x) + exp(x)",
    ],
)  # fmt: skip
def test_plain_terms_are_laid_out_as_the_formula_engine_does(fixed: str, coding: str) -> None:
    frame = FRAME.assign(x2=FRAME["x"] ** 2)
    terms = fixed_terms(fixed, frame)
    design = FixedDesign.of(fixed, frame, coding)  # type: ignore[arg-type]
    settings = design._settings(frame)
    plain = matrix_maker(terms, coding, design.factors, settings)
    assert isinstance(plain, PlainMatrix)
    engine = EngineMatrix(terms, coding, design.factors, settings)
    if coding == "treatment" and "a:b" in fixed:
        # Of cells without their margins R leaves out the last; the engine splits them up.
        assert spans(plain.rows(settings), engine.rows(settings))
        assert {k: len(v) for k, v in plain.columns.items()} == {
            k: len(v) for k, v in engine.columns.items()
        }
        return
    assert plain.names == engine.names
    assert plain.columns == engine.columns
    assert plain.rows(settings) == pytest.approx(engine.rows(settings), rel=1e-14)


@pytest.mark.parametrize("fixed", ["log(x + 1)", "C(a, contr.sum)", "a + poly(x, 2)"])
def test_other_terms_are_left_to_the_formula_engine(fixed: str) -> None:
    design = FixedDesign.of(fixed, FRAME)
    assert isinstance(design._maker, EngineMatrix)
    assert design.rows(FRAME.iloc[[3]]) == pytest.approx(design.x[[3]], rel=1e-12)


def test_an_intercept_alone_is_the_mean() -> None:
    model = lm("y ~ 1", FRAME)
    assert model.beta == pytest.approx([FRAME["y"].mean()])
    assert model.design.columns == ("(Intercept)",)


def test_a_joint_test_is_the_square_of_t_and_takes_functions_that_repeat() -> None:
    model = lm("y ~ a + x", FRAME)
    one = model.coefficients().iloc[3]
    row = np.array([[0, 0, 0, 1.0]])
    test = model.joint_test(np.vstack([row, 2 * row]))
    assert (test.F, test.df1) == pytest.approx((one["value"] ** 2, 1))
    assert test.p == pytest.approx(one["p"])


def test_scales_do_not_matter() -> None:
    small = lm("y ~ a + x", FRAME).coefficients()["value"]
    scaled = FRAME.assign(x=FRAME["x"] * 1e9, y=FRAME["y"] * 1e-9)
    assert lm("y ~ a + x", scaled).coefficients()["value"].to_numpy() == pytest.approx(
        small.to_numpy(), rel=1e-9
    )


@pytest.mark.parametrize(
    ("formula", "said"),
    [
        ("y ~ one", "one level, 'same'"),
        ("y ~ aa", "no column 'aa': did you mean 'a'"),
        ("y ~ log(xx)", "no column 'xx'"),
        ("y ~ a *", "cannot be evaluated"),
        ("y ~ a + (1 | b)", "fit it with lmm"),
        ("a ~ b", "holds text"),
        ("y ~ foo(x)", "cannot be evaluated"),
        ("y ~ log(x - 1000)", "not finite"),
        ("y ~ poly(a, 2)", "holds text"),
        ("y ~ y", "without a residual"),
    ],
)
def test_bad_formulas_are_refused_in_one_line(formula: str, said: str) -> None:
    with pytest.raises(Refused, match=said) as caught:
        lm(formula, FRAME)
    assert "\n" not in str(caught.value)


def test_too_few_rows_and_a_constant_response_are_refused() -> None:
    with pytest.raises(Refused, match="3 rows cannot carry"):
        lm("y ~ a + x", FRAME.drop_duplicates("a"))
    with pytest.raises(Refused, match="nothing varies"):
        lm("y ~ a", FRAME.assign(y=2.5))


def test_groups_are_the_filled_cells_in_order() -> None:
    groups = groups_of("log(x) ~ a:b", HOLES)
    assert groups.levels == ["u:10", "v:9", "v:10", "w:9", "w:10"]
    first = HOLES[(HOLES["a"] == "u") & (HOLES["b"] == "10")]["x"]
    assert groups.samples[0] == pytest.approx(np.log(first))
    assert sum(groups.counts) == groups.n == len(HOLES)
    with pytest.raises(Refused, match="must name one grouping"):
        groups_of("x ~ a * b", FRAME)
    with pytest.raises(Refused, match="one level, 'same'"):
        groups_of("x ~ one", FRAME)


def test_models_and_means_print_themselves_in_short() -> None:
    frame = pd.DataFrame({"y": [1.0, 2.0, 3.0, 4.5], "g": list("aabb")})
    model = lm("log(y) ~ g", frame)
    first, scatter, _, names, intercept, slope = repr(model).splitlines()
    assert first == "Linear model: log(y) ~ g"
    assert scatter == "4 rows; residual standard deviation 0.4015 on 2 degrees of freedom"
    assert names.split() == ["term", "estimate", "se", "df", "t", "p"]
    assert (intercept.split()[0], slope.split()[0]) == ("(Intercept)", "g[b]")
    title, _, a, b = repr(emmeans(model, "g", scale="response")).splitlines()
    assert title == "Marginal means of the response, 95 % intervals:"
    assert (a.split()[:2], b.split()[:2]) == (["a", "1.414"], ["b", "3.674"])


def test_degrees_of_freedom_that_do_not_exist_are_refused() -> None:
    model = lm("x ~ a", FRAME)
    with pytest.raises(Refused, match="no degrees of freedom are called 'satterthwait'"):
        emmeans(model, "a", ddf="satterthwait").frame()
