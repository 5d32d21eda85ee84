"""What marginal means and contrasts say: signs, names, notes, families, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from joulebench.stats.emmeans import emmeans
from joulebench.stats.emmeans_contrasts import polynomial_weights
from joulebench.stats.emmeans_joint import joint_tests
from joulebench.stats.emmeans_trends import trends
from joulebench.stats.linear_model import lm
from joulebench.stats.refused import Refused

RNG = np.random.default_rng(11)
CELLS = [(g, t) for g in ("2", "3", "3.1") for t in ("boolq", "cb") for _ in range(5)]
FRAME = pd.DataFrame(CELLS, columns=["generation", "task"])
FRAME["size"] = RNG.uniform(1, 8, len(FRAME))
FRAME["energy_j"] = np.exp(RNG.normal(3, 0.2, len(FRAME)) - 0.1 * (FRAME["generation"] == "3.1"))
MODEL = lm("log(energy_j) ~ generation * task", FRAME)
HOLES = lm("energy_j ~ generation * task", FRAME.iloc[5:])
MEANS = emmeans(MODEL, "generation", by="task")


def cell_means() -> pd.Series[float]:
    logs = pd.Series(np.log(FRAME["energy_j"].to_numpy()))
    return logs.groupby([FRAME["generation"], FRAME["task"]]).mean()


def test_means_of_a_full_model_are_those_of_its_cells() -> None:
    found = MEANS.frame()
    assert list(found.columns) == [
        "generation", "task", "estimate", "se", "df1", "ci_low", "ci_high", "confidence", "n",
        "note",
    ]  # fmt: skip
    assert list(found["task"]) == ["boolq"] * 3 + ["cb"] * 3
    expected = [cell_means()[g, t] for g, t in zip(found["generation"], found["task"], strict=True)]
    assert found["estimate"].to_numpy() == pytest.approx(expected, rel=1e-12)
    assert set(found["n"]) == {5}
    assert set(found["note"]) == {""}


def test_signs_and_names() -> None:
    cells = cell_means()
    pairs, steps = MEANS.contrasts("pairwise"), MEANS.contrasts("consecutive")
    assert list(pairs["contrast"][:3]) == ["2 - 3", "2 - 3.1", "3 - 3.1"]
    assert pairs["estimate"][0] == pytest.approx(cells["2", "boolq"] - cells["3", "boolq"])
    assert list(steps["contrast"]) == ["3 - 2", "3.1 - 3"] * 2
    assert steps["estimate"][3] == pytest.approx(cells["3.1", "cb"] - cells["3", "cb"])
    back = MEANS.contrasts("pairwise", reverse=True)
    assert list(back["contrast"][:3]) == ["3 - 2", "3.1 - 2", "3.1 - 3"]
    assert back["estimate"][1] == -pairs["estimate"][1]


def test_columns_of_contrasts() -> None:
    found = MEANS.contrasts("consecutive", scale="response")
    assert list(found.columns) == [
        "contrast", "task", "estimate", "se", "statistic", "value", "df1", "p", "p_adjusted",
        "adjust", "effect_size", "effect", "ci_low", "ci_high", "confidence", "n", "family_size",
        "ci_adjust", "note",
    ]  # fmt: skip
    assert set(found["n"]) == {10}


def test_differences_of_logarithms_are_ratios_of_the_response() -> None:
    model = MEANS.contrasts("consecutive", "none")
    found = MEANS.contrasts("consecutive", "none", scale="response")
    assert list(found["contrast"]) == ["3 / 2", "3.1 / 3"] * 2
    assert set(found["effect_size"]) == {"ratio"}
    assert found["effect"].to_numpy() == pytest.approx(np.exp(model["estimate"]))
    assert found["ci_low"].to_numpy() == pytest.approx(np.exp(model["ci_low"]))
    assert found["p"].tolist() == model["p"].tolist()


@pytest.mark.parametrize(
    ("formula", "kind"),
    [("sqrt(energy_j) ~ task", "pairwise"), ("log(energy_j) ~ task", {"sum": [1, 1]})],
)
def test_what_cannot_be_brought_back_stays_and_says_so(formula: str, kind: Any) -> None:
    found = emmeans(lm(formula, FRAME), "task", scale="response").contrasts(kind)
    assert "effect_size" not in found.columns
    assert found["note"].str.contains("still on the (?:sqrt|log) scale").all()
    plain = emmeans(lm(formula, FRAME), "task").contrasts(kind)
    assert found["estimate"].tolist() == plain["estimate"].tolist()
    assert set(plain["note"]) == {""}


def test_families_are_by_groups_or_all() -> None:
    within, over = (
        MEANS.contrasts("pairwise", "bonferroni"),
        MEANS.contrasts("pairwise", "bonferroni", "all"),
    )
    assert set(within["family_size"]) == {3}
    assert set(over["family_size"]) == {6}
    assert within["p_adjusted"].tolist() == np.minimum(1, 3 * within["p"]).tolist()
    assert over["p_adjusted"].tolist() == np.minimum(1, 6 * over["p"]).tolist()


def test_tukey_gives_way_with_a_note() -> None:
    found = MEANS.contrasts("consecutive", "tukey")
    assert set(found["adjust"]) == {"sidak"}
    assert found["note"].str.contains("sidak in place of tukey").all()
    assert set(MEANS.contrasts("pairwise", "tukey", "all")["adjust"]) == {"sidak"}
    assert set(MEANS.contrasts("pairwise", "tukey", alternative="less")["adjust"]) == {"sidak"}
    alone = emmeans(MODEL, "generation").contrasts("pairwise", "tukey", "all")
    assert set(alone["adjust"]) == {"tukey"}


def test_intervals_of_step_down_adjustments_are_bonferronis() -> None:
    for adjust in ("BH", "BY", "holm", "hochberg"):
        found = MEANS.contrasts("pairwise", adjust)
        assert set(found["ci_adjust"]) == {"bonferroni"}
        assert (
            found["ci_low"].tolist() == MEANS.contrasts("pairwise", "bonferroni")["ci_low"].tolist()
        )


def test_one_sided_intervals_are_open() -> None:
    less = MEANS.contrasts("pairwise", "none", alternative="less", null=0.1)
    more = MEANS.contrasts("pairwise", "none", alternative="greater", null=0.1)
    assert np.isneginf(less["ci_low"]).all()
    assert np.isposinf(more["ci_high"]).all()
    assert (less["p"] + more["p"]).to_numpy() == pytest.approx(np.ones(6))
    assert emmeans(MODEL, "generation", scale="response").contrasts(
        "pairwise", "none", alternative="less"
    )["ci_low"].tolist() == [0, 0, 0]


def test_empty_cells_are_named() -> None:
    found = emmeans(HOLES, "generation", by="task").frame()
    note = found["note"][0]
    assert np.isnan(found["estimate"][0])
    assert found["n"][0] == 0
    assert "cannot be estimated: no rows at generation 2 x task boolq" in note
    assert found["estimate"][1:].notna().all()
    means = emmeans(HOLES, "generation").frame()
    assert np.isnan(means["se"][0])
    assert "no rows at generation 2 x task boolq" in means["note"][0]
    steps = emmeans(HOLES, "generation", by="task").contrasts("consecutive")
    assert steps["estimate"].isna().tolist() == [True, False, False, False]
    assert "no rows at generation 2 x task boolq" in steps["note"][0]


def test_unknown_contrasts_count_in_their_family_as_in_r() -> None:
    found = emmeans(HOLES, "generation", by="task").contrasts("consecutive", "bonferroni")
    assert found["p_adjusted"][1] == min(1.0, 2 * found["p"][1])


def test_averaging_over_what_interacts_is_noted() -> None:
    assert (
        "averages over task, with which generation interacts"
        in emmeans(MODEL, "generation").frame()["note"].iloc[0]
    )
    additive = lm("energy_j ~ generation + task", FRAME)
    assert set(emmeans(additive, "generation").frame()["note"]) == {""}


def test_levels_with_signs_are_put_in_brackets() -> None:
    frame = FRAME.assign(model=FRAME["generation"].map({"2": "2-7B", "3": "3-8B", "3.1": "plain"}))
    found = emmeans(lm("log(energy_j) ~ model", frame), "model", scale="response").contrasts()
    assert list(found["contrast"]) == ["(2-7B) / (3-8B)", "(2-7B) / plain", "(3-8B) / plain"]


def test_several_specs_are_one_set_of_means() -> None:
    found = emmeans(MODEL, ["generation", "task"]).contrasts("pairwise", "tukey")
    assert len(found) == 15
    assert found["contrast"][0] == "2 boolq - 3 boolq"


def test_the_mean_of_all() -> None:
    found = emmeans(MODEL, "1").frame()
    assert found["estimate"].tolist() == pytest.approx([cell_means().mean()])
    assert found["n"].tolist() == [len(FRAME)]


def test_weights_by_cells_give_raw_means_back() -> None:
    model = lm("energy_j ~ generation * task", FRAME.iloc[3:])
    found = emmeans(model, "generation", weights="cells").frame()
    raw = FRAME.iloc[3:].groupby("generation")["energy_j"].mean()
    assert found["estimate"].to_numpy() == pytest.approx(raw.to_numpy())
    assert found["n"].tolist() == [7, 10, 10]


def test_units_change_nothing_but_units() -> None:
    base = lm("energy_j ~ generation * size + task", FRAME)
    for factor, unit in ((1e9, 1e-9), (1e-9, 1e9)):
        scaled = FRAME.assign(energy_j=FRAME["energy_j"] * factor, size=FRAME["size"] * unit)
        model = lm("energy_j ~ generation * size + task", scaled)
        for name in ("estimate", "se", "ci_low", "ci_high"):
            ours = emmeans(model, "generation", by="task").frame()[name] / factor
            assert ours.to_numpy() == pytest.approx(
                emmeans(base, "generation", by="task").frame()[name].to_numpy(), rel=1e-9
            )
        slopes = trends(model, "size", "generation").frame()["estimate"] * unit / factor
        assert slopes.to_numpy() == pytest.approx(
            trends(base, "size", "generation").frame()["estimate"].to_numpy(), rel=1e-9
        )
        tests = joint_tests(model)
        assert tests["value"].to_numpy() == pytest.approx(
            joint_tests(base)["value"].to_numpy(), rel=1e-8
        )


def test_polynomials_of_uneven_levels() -> None:
    weights = polynomial_weights([2, 3, 3.1])
    assert list(weights) == ["linear", "quadratic"]
    assert weights["linear"] == pytest.approx(np.array([-0.7, 0.3, 0.4]) / np.sqrt(0.74))
    found = emmeans(MODEL, "generation").contrasts(weights)
    assert list(found["contrast"]) == ["linear", "quadratic"]


def test_slopes_have_contrasts() -> None:
    model = lm("log(energy_j) ~ generation * size", FRAME)
    found = trends(model, "size", "generation")
    table = model.coefficients().set_index("term")["estimate"]
    assert found.frame()["estimate"][0] == pytest.approx(table["size"], rel=1e-9)
    step = found.contrasts("consecutive", scale="response")
    assert step["estimate"][0] == pytest.approx(table["generation[3]:size"], rel=1e-9)
    assert set(step["note"]) == {""}


def test_a_mean_without_rows_to_weigh_it_is_unknown_and_so_is_what_it_enters() -> None:
    frame = FRAME.iloc[5:].assign(half=["a", "b", "b", "a", "b"] * 5)
    means = emmeans(
        lm("energy_j ~ generation + task + half", frame), "generation", by="task", weights="cells"
    )
    assert means.frame()["estimate"].isna().tolist() == [True] + [False] * 5
    found = means.contrasts("pairwise")
    assert found["estimate"].isna().tolist() == [True, True] + [False] * 4
    assert found["note"].str.contains("cannot be estimated").tolist() == [True, True] + [False] * 4


def test_a_standard_error_of_0_is_noted() -> None:
    model = lm("energy_j ~ 0 + size", FRAME)
    found = emmeans(model, "size", at={"size": [0, 1]}).frame()
    assert found["se"][0] == 0
    assert found["note"].tolist() == ["the standard error is 0", ""]


def test_settings_outside_a_function_are_refused() -> None:
    model = lm("energy_j ~ task + np.log(size)", FRAME)
    with pytest.raises(Refused, match="not finite"):
        emmeans(model, "task", at={"size": -1})


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda: emmeans(MODEL, "generaton"), "did you mean 'generation'"),
        (lambda: emmeans(MODEL, "energy_j"), "not in the fixed part"),
        (lambda: emmeans(MODEL, "task", by="task"), "named twice"),
        (lambda: emmeans(MODEL, "task", by="run"), "by names 'run'"),
        (lambda: emmeans(MODEL, "task", weights="some"), "weights must be one of equal"),
        (lambda: emmeans(MODEL, "task", scale="log"), "scale must be 'model' or 'response'"),
        (lambda: emmeans(MODEL, "task", confidence=95), "between 0 and 1"),
        (lambda: emmeans(MODEL, "task", at={"generation": "4"}), "no level '4'"),
        (lambda: emmeans(MODEL, "task", at={"size": 1}), "at names 'size'"),
        (lambda: emmeans(MODEL, "task", at={"generation": []}), "gives no setting"),
        (lambda: MEANS.contrasts("pairs"), "no contrasts are called 'pairs'"),
        (lambda: MEANS.contrasts(adjust="fdr"), "no adjustment is called 'fdr'"),
        (lambda: MEANS.contrasts(families="each"), "families must be 'by'"),
        (lambda: MEANS.contrasts(alternative="upper"), "alternative must be"),
        (lambda: MEANS.contrasts(null=np.nan), "null must be a finite number"),
        (lambda: MEANS.contrasts({"a": [1, -1]}), "has 2 weights for 3 levels"),
        (lambda: MEANS.contrasts({"a": [0, 0, 0]}), "not all 0"),
        (lambda: MEANS.contrasts({}), "no contrasts are given"),
        (lambda: MEANS.contrasts("polynomial", max_degree=3), "degree 1 to 2"),
        (lambda: MEANS.contrasts("pairwise", max_degree=2), "leave it out"),
        (lambda: MEANS.contrasts("eff", reverse=True), "no reverse"),
        (lambda: MEANS.contrasts("polynomial", reverse=True), "no reverse"),
        (lambda: emmeans(MODEL, "1").contrasts(), "two levels or more"),
        (lambda: polynomial_weights([1, 1, 2]), "no two alike"),
        (lambda: joint_tests(MODEL, by=["generation", "task"]), "left to test"),
        (lambda: trends(MODEL, "size", "task"), "not in the fixed part"),
        (lambda: trends(MODEL, "task"), "a slope needs a number"),
    ],
)
def test_what_is_refused(ask: Any, said: str) -> None:
    with pytest.raises(Refused, match=said) as caught:
        ask()
    assert "\n" not in str(caught.value)


def test_a_name_of_the_results_is_refused() -> None:
    model = lm("energy_j ~ n", FRAME.rename(columns={"task": "n"}))
    with pytest.raises(Refused, match="rename the column"):
        emmeans(model, "n")


def test_a_grid_too_large_is_refused_before_it_is_built() -> None:
    frame = pd.DataFrame({f"f{k}": RNG.integers(0, 60, 400).astype(str) for k in range(4)})
    frame["y"] = RNG.normal(size=400)
    model = lm("y ~ f0 + f1 + f2 + f3", frame)
    with pytest.raises(Refused, match="combinations of"):
        emmeans(model, "f0")
