"""What a verdict claims: the scatter it stands up to, how sure it is, what it must not say."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from runs_table import generations, write

from joulebench.analysis.analyse import Analysis, analyse
from joulebench.analysis.answer import answer
from joulebench.analysis.cells import run_means
from joulebench.analysis.claim import Claim, how_sure, how_sure_on, weaker
from joulebench.analysis.design_facts import design_facts
from joulebench.analysis.own_uncertainty import (
    OwnUncertainty,
    percent,
    widened,
    widened_difference,
)
from joulebench.analysis.question import general_questions
from joulebench.analysis.read import Choices, read_analysis
from joulebench.analysis.report_lines import is_brief, legend_line, markdown, shared_doubts
from joulebench.analysis.spoken_ratio import Pair, farthest, names_of, ratio_ends, with_ends
from joulebench.analysis.verdict import Verdict
from joulebench.analysis.verdict import verdict as verdict_of
from joulebench.joules import Energy
from joulebench.stats.emmeans_contrasts import contrast_set

Row = dict[str, Any]
Times = Callable[[Mapping[str, str]], float]


def made(
    levels: Mapping[str, Sequence[str]],
    times: Times,
    repetitions: int = 4,
    noise: float = 0.01,
    seed: int = 3,
    **more: Any,
) -> list[Row]:
    """Make rows of crossed factors with 100 J times something."""
    rng = np.random.default_rng(seed)
    return [
        {**cell, "repetition": r, "energy_j": 100.0 * times(cell) * rng.lognormal(0, noise), **more}
        for r in range(repetitions)
        for cell in (dict(zip(levels, each, strict=True)) for each in product(*levels.values()))
    ]  # fmt: skip


def found(tmp_path: Path, rows: Sequence[Row], **choices: Any) -> Analysis:
    table = write(tmp_path / "runs.csv", rows)
    return analyse(table, tmp_path / "out", Choices(**choices), plots=False)


def verdict(tmp_path: Path, rows: Sequence[Row], groups: str, **choices: Any) -> Verdict:
    """Answer one question on energy, and say what follows."""
    table = write(tmp_path / "runs.csv", rows)
    frame = read_analysis(table, Choices(**choices), audit=False)
    asked = general_questions(frame, ("energy_j",))
    question = next(question for question in asked if question.groups == groups)
    parts = frame.units.get(groups, (groups,))
    supports = [design_facts(frame).claim(part) for part in parts]
    return verdict_of(answer(question, frame, run_means(frame)), supports)


TWO = {"device": ("x", "y"), "task": ("p", "q", "r", "s", "t")}


def twice(cell: Mapping[str, str]) -> float:
    return {"x": 1.0, "y": 2.0}[cell["device"]] * {"p": 1, "q": 3, "r": 5, "s": 2, "t": 9}[
        cell["task"]
    ]


# The three claims


def test_a_difference_that_holds_everywhere_is_sure_here_and_beyond(tmp_path: Path) -> None:
    told = verdict(tmp_path, made(TWO, twice), "device")
    here, beyond = told.claims
    assert (here.about, here.sure) == ("these runs", "sure")
    assert (beyond.about, beyond.sure) == ("more of the same", "sure")
    assert told.sentence.startswith("These 2 devices differ in energy per run (sure): y has 2.0")
    assert "the energy per run of x on average over the 5 tasks, from " in told.sentence
    assert "; in other tasks too (sure): 2.0" in told.sentence
    assert "F(1, 30) = " in here.rests_on
    assert "F(1, 4) = " in beyond.rests_on
    assert beyond.rests_on.endswith("(means of cells, from one task to the next)")


def test_a_difference_that_changes_with_the_task_is_sure_here_alone(tmp_path: Path) -> None:
    more = {"p": 1.6, "q": 0.9, "r": 1.5, "s": 0.8, "t": 1.2}
    rows = made(TWO, lambda cell: more[cell["task"]] if cell["device"] == "y" else 1.0)
    told = verdict(tmp_path, rows, "device")
    here, beyond = told.claims
    assert (here.sure, beyond.sure) == ("sure", "not shown")
    assert "; but the other way round in 2 of the 5, the most in s (0.8" in here.far
    assert "that it is so in other tasks is not shown" in told.sentence


def test_opposite_effects_are_not_averaged_away(tmp_path: Path) -> None:
    levels = {"device": ("x", "y"), "task": ("p", "q")}
    rows = made(levels, lambda c: 2.0 if (c["device"] == "x") == (c["task"] == "p") else 1.0)
    told = verdict(tmp_path, rows, "device")
    assert told.claims[0].sure == "sure"
    assert told.sentence.startswith(
        "These 2 devices differ in energy per run in single tasks, though on average over the "
        "tasks no difference is shown (sure): "
    )
    assert told.claims[1].sure == "not shown"


def test_what_is_not_shown_says_how_large_it_could_be(tmp_path: Path) -> None:
    told = verdict(tmp_path, made(TWO, lambda _: 1.0, noise=0.2), "device")
    assert told.claims[0].sure == "not shown"
    assert told.sentence.startswith(
        "That these 2 devices differ in energy per run is not shown: at"
    )
    assert told.claims[0].far.startswith("at most, ")


def test_three_degrees_of_freedom_are_never_sure(tmp_path: Path) -> None:
    levels = {"device": ("x", "y"), "task": ("p", "q")}
    told = verdict(tmp_path, made(levels, lambda c: 2.0 if c["device"] == "y" else 1.0), "device")
    assert [claim.sure for claim in told.claims] == ["sure", "fairly sure"]
    assert how_sure_on(1e-9, 3) == "fairly sure"
    assert how_sure_on(1e-9, 4) == "sure"
    assert how_sure_on(0.2, 1) == "not shown"


def test_what_holds_beyond_is_no_surer_than_what_holds_here(tmp_path: Path) -> None:
    """Means that lie alike in all tasks by chance are no evidence beyond what repetitions give."""
    rows = [
        {"device": d, "task": t, "repetition": r,
         "energy_j": 100.0 * (1.1 if d == "y" else 1.0) * math.exp(e) * (1 + 1e-3 * k * (d == "y"))}
        for d, (k, t) in product("xy", enumerate("pqrst"))
        for r, e in enumerate((-0.5, 0.0, 0.5))
    ]  # fmt: skip
    here, beyond = verdict(tmp_path, rows, "device").claims
    assert "p < 0.0001" in beyond.rests_on
    assert (here.sure, beyond.sure) == ("not shown", "not shown")
    assert beyond.far in here.far


def test_five_models_differ_where_generations_cannot_be_told_apart(tmp_path: Path) -> None:
    told = verdict(tmp_path, generations(), "model", responses=("energy_j",))
    by_about: dict[str, list[Claim]] = {}
    for claim in told.claims:
        by_about.setdefault(claim.about, []).append(claim)
    assert by_about["these runs"][0].sure == "sure"
    assert by_about["the factor"][0].sure == "not shown"
    assert "generation: F(3, 1) = " in told.why[2]
    assert "with 1 degree of freedom little could be shown" in told.why[2]
    assert "not told from model_size" in told.why[2]
    assert len(told.steps) == 2
    assert told.steps[1].startswith("3.2-3B has ")


def test_a_factor_of_crossed_units_is_told_with_the_other_held(tmp_path: Path) -> None:
    sizes = {"1B": 1.0, "3B": 2.5, "7B": 6.0, "13B": 11.0, "30B": 24.0}
    levels = {"generation": ("2", "3"), "model_size": tuple(sizes), "task": ("p", "q", "r")}
    rows = made(levels, lambda c: sizes[c["model_size"]] * (0.7 if c["generation"] == "3" else 1.0))
    told = verdict(tmp_path, rows, "model")
    generation, size = (claim for claim in told.claims if claim.about == "the factor")
    assert (generation.sure, size.sure) == ("sure", "sure")
    assert "model_size held" in generation.rests_on


def test_a_factor_that_nothing_repeats_cannot_be_told(tmp_path: Path) -> None:
    rows = [row for row in generations() if row["model_size"] != "1B"]
    told = verdict(tmp_path, rows, "model", responses=("energy_j",))
    generation = next(c for c in told.claims if c.text.startswith("generation"))
    assert generation.sure == "cannot be told"
    assert "leave nothing to judge it by" in generation.rests_on


def test_things_that_were_run_once_are_not_compared(tmp_path: Path) -> None:
    rows = made({"device": ("x", "y", "z")}, lambda c: {"x": 1, "y": 2, "z": 4}[c["device"]], 1)
    told = verdict(tmp_path, rows, "device")
    (claim,) = told.claims
    assert claim.sure == "cannot be told"
    assert told.sentence.endswith(" times the energy per run of x, each run once.")
    assert "cannot be told: z has 3." in told.sentence or ": z has 4." in told.sentence
    assert "each of the 3 devices was run once" in told.why[0]


def test_one_row_a_cell_is_judged_from_condition_to_condition(tmp_path: Path) -> None:
    told = verdict(tmp_path, made(TWO, twice, 1), "device")
    (claim,) = told.claims
    assert (claim.about, claim.sure) == ("more of the same", "sure")
    assert "F(1, 4)" in claim.rests_on


# Levels that are numbers


def test_numbers_are_told_with_what_they_are_of(tmp_path: Path) -> None:
    levels = {"batch_size": ("1", "2", "4", "8"), "task": ("p", "q", "r")}
    rows = made(levels, lambda c: int(c["batch_size"]) ** -0.8)
    told = verdict(tmp_path, rows, "batch_size")
    assert "batch_size 1 has 5.2" in told.sentence
    assert "the energy per run of batch_size 8" in told.sentence
    assert told.sentence.startswith("These 4 levels of batch_size differ")
    (slope,) = told.also
    assert slope.startswith("energy per run goes with batch_size to the power -0.796")
    assert "that a power law misses anything is not shown" in slope
    other = verdict(tmp_path, rows, "task")
    assert not other.also


def test_a_line_that_misses_the_levels_is_not_told_as_a_law(tmp_path: Path) -> None:
    times = {"1": 1.0, "2": 3.0, "4": 3.3, "8": 3.4}
    levels = {"batch_size": tuple(times), "task": ("p", "q", "r")}
    told = verdict(tmp_path, made(levels, lambda c: times[c["batch_size"]]), "batch_size")
    assert "; but no power law describes it (F(2, 6)" in told.also[0]


# What energies do not know of themselves


def _measured(testbeds: Mapping[str, float], bias: float, **more: Any) -> list[Row]:
    levels = {"testbed": tuple(testbeds), "model": ("s", "l"), "task": ("p", "q", "r", "t")}
    rows = made(
        levels, lambda c: testbeds[c["testbed"]] * (3.0 if c["model"] == "l" else 1.0),
        noise=0.003, **more,
    )  # fmt: skip
    return [row | {"host": row["testbed"], "energy_bias_j": bias * row["energy_j"]} for row in rows]


def test_gains_of_two_meters_stay_in_their_ratio_and_cancel_on_one(tmp_path: Path) -> None:
    rows = _measured({"a": 1.0, "b": 1.04}, 0.05)
    factors = ("testbed", "model", "task")
    across = verdict(tmp_path, rows, "testbed", factors=factors)
    here = across.claims[0]
    assert here.sure == "not shown"
    assert "b has 1.04 times (0.91 to 1.19) the energy per run of a" in here.far
    assert "the meters' own uncertainty, ± 14 % of the ratio, covers it" in here.rests_on
    assert "F(1, 48) = " in here.rests_on
    assert "p < 0.0001" in here.rests_on
    within = verdict(tmp_path, rows, "model", factors=factors)
    assert within.claims[0].sure == "sure"
    assert "l has 2.996" in within.sentence
    assert within.uncertainty.endswith("which one meter shares: in ratios it cancels")


def test_a_difference_larger_than_the_gains_is_still_shown(tmp_path: Path) -> None:
    told = verdict(tmp_path, _measured({"a": 1.0, "b": 1.3}, 0.05), "testbed",
                   factors=("testbed", "model", "task"))  # fmt: skip
    assert told.claims[0].sure == "sure"
    assert "b has 1.30 times (1.13 to 1.49)" in told.sentence
    weak = verdict(tmp_path, _measured({"a": 1.0, "b": 1.17}, 0.05), "testbed",
                   factors=("testbed", "model", "task"))  # fmt: skip
    assert weak.claims[0].sure == "fairly sure"


def test_models_on_different_machines_keep_the_gains_and_are_told_so(tmp_path: Path) -> None:
    rows = [r for r in _measured({"a": 1.0, "b": 1.04}, 0.05)
            if (r["testbed"] == "a") == (r["model"] == "s")]  # fmt: skip
    told = verdict(tmp_path, rows, "model", factors=("model", "task"))
    assert any("l and s were run on different testbeds" in doubt for doubt in told.doubts)
    assert "all of which stays in ratios of several meters" in told.uncertainty
    assert "(2.7" in told.sentence


def test_several_testbeds_that_are_no_factor_are_told(tmp_path: Path) -> None:
    analysis = found(tmp_path, _measured({"a": 1.0, "b": 1.04}, 0.05), factors=("model", "task"))
    assert "--factors model,task,testbed to take it apart" in markdown(analysis)


def test_biases_by_source_cancel_as_the_records_say() -> None:
    gain = {"gain gpu0:power at h": 0.05}
    both = gain | {"offset gpu0:power at h": 0.03}
    own = OwnUncertainty({}, {"x": Energy(1.0, 0.0, gain), "y": Energy(1.0, 0.0, both)})
    assert own.of_ratio("y", "x") == pytest.approx(0.03)
    elsewhere = {"gain gpu0:power at g": 0.05}
    apart = OwnUncertainty({}, {"x": Energy(1, 0, gain), "y": Energy(1, 0, elsewhere)})
    assert apart.of_ratio("y", "x") == pytest.approx(math.hypot(0.05, 0.05))


def test_a_sum_of_gain_and_offset_is_bounded_from_above() -> None:
    gain, offset = 0.05, 0.02
    sizes = {"x": 1.0, "y": 5.0}
    shares = {n: {"m": math.hypot(gain, offset / e)} for n, e in sizes.items()}
    own = OwnUncertainty({}, {}, shares, sizes)
    left = abs(offset / 1.0 - offset / 5.0)
    assert left <= own.of_ratio("x", "y") <= 1.3 * left
    # Of a difference the offset cancels and the gain of what lies between stays.
    assert own.of_difference("y", "x") >= gain * 4.0


def test_a_group_measured_in_two_places_has_its_share_of_each() -> None:
    own = OwnUncertainty({}, {}, {"x": {"a": 0.05}, "y": {"a": 0.025, "b": 0.025}})
    assert own.of_ratio("x", "y") >= math.hypot(0.025, 0.025)


def test_intervals_hold_scatter_and_bias_together() -> None:
    low, high = widened(0.9, 1.1, 0.05)
    half = math.hypot(math.log(1.1 / 0.9) / 2, 1.959963984540054 * 0.05)
    assert math.log(high / low) / 2 == pytest.approx(half)
    assert widened(0.9, 1.1, 0.0) == (0.9, 1.1)
    # Readings that are alike by rounding are known no better than one reading.
    low, high = widened(0.999, 1.001, 0.0, noise=0.01)
    assert math.log(high / low) / 2 == pytest.approx(1.959963984540054 * 0.01)
    assert widened_difference(-1.0, 1.0, 0.0) == (-1.0, 1.0)
    assert widened_difference(0.0, 2.0, 1.0)[0] == pytest.approx(
        1 - math.hypot(1, 1.959963984540054)
    )
    assert percent(0.05) == "9.8 %"


# Energies that nobody measured, and time


@pytest.mark.parametrize("method", ["estimated", "simulated", "modelled"])
def test_energies_that_were_not_measured_are_called_what_they_are(
    tmp_path: Path, method: str
) -> None:
    analysis = found(tmp_path, made(TWO, twice, method=method))
    told = analysis.verdicts[0]
    assert f"differ in {method} energy per run (sure)" in told.sentence
    assert any(word in told.doubts[0] for word in (method, "model"))
    # What all verdicts share is told once.
    assert shared_doubts(analysis) == list(told.doubts)
    assert markdown(analysis).count(told.doubts[0]) == 1


def test_levels_run_one_after_the_other_are_told(tmp_path: Path) -> None:
    rows = made({"device": ("x", "y", "z")}, lambda _: 1.0, 8, noise=0.002)
    rows.sort(key=lambda row: row["device"])
    rows = [row | {"order": k, "energy_j": row["energy_j"] * (1 + 0.01 * k)}
            for k, row in enumerate(rows)]  # fmt: skip
    told = verdict(tmp_path, rows, "device")
    assert told.claims[0].sure == "sure"
    assert any("were run one after the other" in doubt for doubt in told.doubts)
    assert any("rise with time" in doubt for doubt in told.doubts)


def test_levels_in_random_order_have_no_such_doubt(tmp_path: Path) -> None:
    rows = made({"device": ("x", "y", "z")}, lambda _: 1.0, 8, noise=0.002)
    place = np.random.default_rng(0).permutation(len(rows))
    told = verdict(
        tmp_path, [r | {"order": int(k)} for r, k in zip(rows, place, strict=True)], "device"
    )
    assert not told.doubts


# Differences, words, how much is said


def test_energies_that_are_not_above_0_are_told_as_differences(tmp_path: Path) -> None:
    rows = made(TWO, twice)
    rows[0]["energy_j"] = -1.0
    told = verdict(tmp_path, rows, "device")
    assert " J (" in told.sentence
    assert "y lies " in told.sentence
    assert " above x in energy per run" in told.sentence


def test_levels_with_signs_are_told_whole(tmp_path: Path) -> None:
    names = ("a - b", "c / d", "(e)", "f: g")
    rows = made({"device": names}, lambda c: 1.0 + names.index(c["device"]), 6)
    told = verdict(tmp_path, rows, "device")
    assert "f: g has 3.98 times" in told.sentence
    assert "the energy per run of a - b" in told.sentence
    sides = names_of(names)
    (name,) = contrast_set("pairwise", names[:2], reverse=False, max_degree=None).names
    assert sides(name) == sides(name.replace(" - ", " / ")) == ("a - b", "c / d")


def test_the_farthest_pair_is_one_that_is_shown_where_any_is() -> None:
    hidden = Pair("a", "b", 2.0, 0.8, 5.0, ratio=True, p=1e-9, hidden=True)
    shown = Pair("c", "d", 1.5, 1.4, 1.6, ratio=True, p=1e-9)
    assert farthest([hidden, shown]) is shown
    assert farthest([hidden]) is hidden
    assert farthest([]) is None


def test_a_general_analysis_is_short_about_all_but_energy(tmp_path: Path) -> None:
    rows = [row | {"duration_s": row["energy_j"] / 300} for row in made(TWO, twice)]
    analysis = found(tmp_path, rows)
    brief = {v.question: is_brief(analysis, v) for v in analysis.verdicts}
    assert brief == {"energy_j": False}  # power is the same in all, duration the same as energy
    rows = [row | {"duration_s": row["repetition"] + 5.0} for row in made(TWO, twice)]
    analysis = found(tmp_path, rows)
    brief = {v.question: is_brief(analysis, v) for v in analysis.verdicts}
    assert brief == {"energy_j": False, "power_w": True, "duration_s": True}
    assert legend_line(analysis).startswith("sure: p up to 0.001; fairly sure: p up to 0.05")


def test_how_sure_is_judged_by_p() -> None:
    assert [how_sure(p) for p in (0.001, 0.0011, 0.05, 0.051)] == [
        "sure", "fairly sure", "fairly sure", "not shown",
    ]  # fmt: skip
    assert weaker("sure", "not shown") == "not shown"


@pytest.mark.parametrize(
    ("ends", "told"),
    [
        ((5.267, 5.23, 5.304), ("5.267", "5.230 to 5.304")),
        ((1.3, 0.0135, 127.0), ("1.3", "0.013 to 127")),
        ((100.0, 1e-10, 9e13), ("1e+02", "under 0.001 to over 1,000")),
    ],
)
def test_figures_have_the_digits_that_their_interval_is_worth(
    ends: tuple[float, float, float], told: tuple[str, str]
) -> None:
    assert ratio_ends(*ends) == told
    assert with_ends(3.0, 3.0, 3.0) == ("3", "3 to 3")


def test_every_verdict_is_a_sentence(tmp_path: Path) -> None:
    analysis = found(tmp_path, generations(2), responses=("energy_j", "accuracy"))
    for told in analysis.verdicts:
        assert told.sentence[0].isupper()
        assert told.sentence.endswith(".")
        assert "  " not in told.sentence
        assert told.to_dict()["why"] == list(told.why)
