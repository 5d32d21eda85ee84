"""Figures of answered questions: what they show, that they can be read, and that they repeat."""

from __future__ import annotations

import math
import struct
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd
import pytest
from runs_table import generations, write

from joulebench.analysis.analysis_frame import AnalysisFrame
from joulebench.analysis.answer import Answer, answer
from joulebench.analysis.cells import run_means
from joulebench.analysis.folders import ASSUMPTIONS, DESCRIPTIVE, TESTS, OutputTree
from joulebench.analysis.kernel_density import bandwidth
from joulebench.analysis.plot_box import box_sheet
from joulebench.analysis.plot_density import curve_of, density_sheet, violin_sheet
from joulebench.analysis.plot_ecdf import ecdf_sheet, steps_of
from joulebench.analysis.plot_effect_rows import MOST_ROWS, sections
from joulebench.analysis.plot_effects import effect_sheet
from joulebench.analysis.plot_groups import (
    LOOKS,
    MOST_LEVELS,
    MOST_POINTS,
    Axis,
    Groups,
    groups_of,
    look,
    thinned,
)
from joulebench.analysis.plot_normal_band import band, chosen_ranks, local_level
from joulebench.analysis.plot_profile import cell_means, profile_sheet
from joulebench.analysis.plot_scatter import pair_of, scatter_sheet
from joulebench.analysis.plot_sheet import Sheet, log_ticks, logarithmic, name_rows, sheet
from joulebench.analysis.plots import plot, plots_of
from joulebench.analysis.question import Question
from joulebench.analysis.read import read_analysis
from joulebench.analysis.result import Result
from joulebench.report.numbers import Unit, fixed
from joulebench.stats.emmeans import emmeans
from joulebench.stats.linear_model import lm

Array = np.ndarray[Any, np.dtype[np.float64]]
LINEAR = Axis("energy per run, J", Unit("J"), logarithmic=False)
SVG = "{http://www.w3.org/2000/svg}"


def _frame(folder: Path, rows: list[dict[str, Any]]) -> AnalysisFrame:
    return read_analysis(write(folder / "t.csv", rows), audit=False)


def _answer(frame: AnalysisFrame, question: Question) -> Answer:
    return answer(question, frame, run_means(frame))


def _groups(samples: dict[str, Any], axis: Axis = LINEAR) -> Groups:
    arrays = tuple(np.asarray(sample, dtype=np.float64) for sample in samples.values())
    return Groups(tuple(samples), arrays, axis, "task", "repetition")


@pytest.fixture(scope="module")
def crossed(tmp_path_factory: pytest.TempPathFactory) -> Answer:
    question = Question("RQ2", "", "energy_j", "generation", within="task", kind="crossed",
                        covariates=("duration_s",))  # fmt: skip
    return _answer(_frame(tmp_path_factory.mktemp("crossed"), generations()), question)


@pytest.fixture(scope="module")
def drawn(crossed: Answer, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    tree = OutputTree.create(tmp_path_factory.mktemp("drawn"), ("RQ2",))
    return tree.root, plot(crossed, tree)


def test_each_stage_has_its_kinds_as_png_and_svg(drawn: tuple[Path, list[str]]) -> None:
    root, names = drawn
    kinds: dict[str, set[str]] = {}
    for name in names:
        _, stage, question, file = Path(name).parts
        kinds.setdefault(stage, set()).add(file.rpartition("_")[2])
        assert question == "RQ2"
        assert (root / name).stat().st_size > 1000
    both = {f"{kind}.{end}" for kind in ("box", "violin", "density", "ecdf", "scatter")
            for end in ("png", "svg")}  # fmt: skip
    assert kinds[DESCRIPTIVE] == both
    assert kinds[ASSUMPTIONS] == {"qq.png", "qq.svg", "residuals.png", "residuals.svg"}
    assert {"effects.png", "inside.svg", "interaction.svg"} <= kinds[TESTS]
    assert len(set(names)) == len(names)


def test_pngs_have_300_dots_an_inch(drawn: tuple[Path, list[str]]) -> None:
    root, names = drawn
    for name in (name for name in names if name.endswith("png")):
        png = (root / name).read_bytes()
        per_metre = struct.unpack(">I", png[png.index(b"pHYs") + 4 :][:4])[0]
        assert round(per_metre * 0.0254) == 300
        assert struct.unpack(">I", png[16:20])[0] == 1500  # 5 inches


def test_svgs_are_small_named_and_hold_text(drawn: tuple[Path, list[str]]) -> None:
    root, names = drawn
    for name in (name for name in names if name.endswith("svg")):
        text = (root / name).read_text(encoding="utf-8")
        svg = ET.fromstring(text)
        assert svg.get("role") == "img"
        assert (svg[0].tag, svg[1].tag) == (f"{SVG}title", f"{SVG}desc")
        assert "RQ2" in str(svg[0].text)
        assert len(list(svg.iter(f"{SVG}text"))) > 5
        assert len(text) < 1_000_000
        assert "<dc:date>" not in text


def test_the_same_answer_gives_the_same_bytes(
    crossed: Answer, drawn: tuple[Path, list[str]], tmp_path: Path
) -> None:
    root, _ = drawn
    for each in plots_of(crossed):
        if each.name.endswith(("box", "qq", "interaction")):
            made = each.draw()
            assert made is not None
            made.write(tmp_path / "a.png", tmp_path / f"{each.name}.svg")
            first = root / "plots" / each.stage / "RQ2" / f"{each.name}.png"
            assert (tmp_path / "a.png").read_bytes() == first.read_bytes()
            svg = (tmp_path / f"{each.name}.svg").read_bytes()
            assert svg == first.with_suffix(".svg").read_bytes()


def test_no_text_leaves_a_figure(crossed: Answer) -> None:
    for each in plots_of(crossed):
        made = each.draw()
        assert made is not None
        made.settle()
        boxes = [axes.get_tightbbox() for axes in made.axes]
        boxes += [text.get_window_extent() for text in made.figure.texts]
        for box in boxes:
            assert box is not None
            assert min(box.x0, box.y0) >= -1, each.name
            assert box.x1 <= made.figure.bbox.x1 + 1, each.name
            assert box.y1 <= made.figure.bbox.y1 + 1, each.name


def test_progress_is_told_and_nothing_is_drawn_twice(tmp_path: Path) -> None:
    rows = [{"task": t, "rep": r, "energy_j": 5.0 + r} for t in "ab" for r in range(3)]
    made = _answer(_frame(tmp_path, rows), Question("Q", "", "energy_j", "task"))
    tree = OutputTree.create(tmp_path / "out", ("Q",))
    told: list[tuple[int, int, str]] = []
    names = plot(made, tree, lambda *step: told.append(step))
    assert [step[0] for step in told] == list(range(told[0][1]))
    assert names == [name for name in tree.written if name.startswith("plots/")]
    assert plot(made, tree) == []


def test_units_levels_and_counts_are_those_of_the_data(tmp_path: Path) -> None:
    rows = [{"batch": b, "rep": r, "energy_j": 2000.0 * int(b) + r}
            for b in ("8", "16", "2") for r in range(int(b))]  # fmt: skip
    groups = groups_of(_frame(tmp_path, rows), "energy_j", "batch")
    assert groups.names == ("2", "8", "16")
    assert [len(sample) for sample in groups.samples] == [2, 8, 16]
    assert groups.axis.label == "energy per run, kJ"
    assert groups.samples[0].tolist() == [4.0, 4.001]
    made = box_sheet(groups, "", None, groups)
    assert [label.get_text() for label in made.only.get_yticklabels()] == ["2", "8", "16"]
    assert [text.get_text() for text in made.only.texts] == ["n = 2", "n = 8", "n = 16"]


def test_levels_beyond_the_most_are_left_out_and_said(tmp_path: Path) -> None:
    rows = [{"setting": f"s{k:03d}", "rep": 0, "energy_j": 1.0 + k} for k in range(MOST_LEVELS + 3)]
    groups = groups_of(_frame(tmp_path, rows), "energy_j", "setting")
    assert len(groups.names) == MOST_LEVELS
    assert "of the first 40 of 43 levels" in box_sheet(groups, "", None, groups).note
    assert f"26 levels after the first {LOOKS}" in ecdf_sheet(groups, "").note


@pytest.mark.parametrize("levels", [2, 6, 12, MOST_LEVELS])
def test_names_of_levels_do_not_overlap(levels: int) -> None:
    groups = _groups({f"a level with a long name {k}": [k, k + 1.0] for k in range(levels)})
    made = box_sheet(groups, "", None, groups)
    made.settle()
    boxes = [label.get_window_extent() for label in made.only.get_yticklabels()]
    for upper, lower in pairwise(boxes):
        assert lower.y1 <= upper.y0 + 0.5
    inside = made.figure.bbox
    assert min(box.x0 for box in boxes) >= inside.x0
    assert max(text.get_window_extent().x1 for text in made.only.texts) <= inside.x1


@pytest.mark.parametrize(("tasks", "more"), [(3, ""), (6, " with a name"), (MOST_LEVELS, " here")])
def test_names_along_a_profile_do_not_overlap(tmp_path: Path, tasks: int, more: str) -> None:
    rows = [{"model": m, "task": f"t{t:02d}{more}", "rep": r, "energy_j": 5.0 + m + r + t}
            for m in range(5) for t in range(tasks) for r in range(2)]  # fmt: skip
    frame = _frame(tmp_path, rows)
    made = profile_sheet(frame, "energy_j", ("model", "task"), "", logged=True)
    assert made is not None
    made.settle()
    labels = made.only.get_xticklabels()
    assert len(labels) == tasks
    turned = math.radians(labels[0].get_rotation())
    boxes = [label.get_window_extent() for label in labels]
    for left, right in pairwise(boxes):
        # Turned names run side by side: their height has room across them.
        room = (right.x1 - left.x1) * math.sin(turned)
        height = float(labels[0].get_fontsize()) * made.figure.dpi / 72
        assert left.x1 <= right.x0 or room >= 0.98 * height


@pytest.mark.parametrize(
    "samples",
    [
        {"a": [1.0]},
        {"a": [1.0, 2.0], "b": [30.0]},
        {"a": [5.0] * 6, "b": [5.0, 6.0, 7.0, 8.0, 9.0, 40.0]},
        {"a": [1e-9, 2e-9, 4e-9, 3e-9, 9e-9], "b": [0.0] * 5},
        {"a": [-1e9, 2e9, 0.0, 5.0, 7.0], "b": [0.0, 1.0, 1.0, 1.0, 1.0]},
        {f"l{k}": [float(k)] for k in range(MOST_LEVELS)},
    ],
    ids=["one value", "three rows", "no spread", "tiny", "signs", "many levels"],
)
def test_odd_samples_are_drawn(samples: dict[str, list[float]], tmp_path: Path) -> None:
    groups = _groups(samples)
    sheets = [box_sheet(groups, "", groups, groups), violin_sheet(groups, ""),
              density_sheet(groups, ""), ecdf_sheet(groups, "")]  # fmt: skip
    for made in sheets:
        if made is not None:
            made.write(tmp_path / "x.png", tmp_path / "x.svg")
    spread = any(len(s) >= 5 and np.ptp(s) > 0 for s in samples.values())
    assert (sheets[1] is not None) == spread == (sheets[2] is not None)


def test_many_points_are_thinned_and_their_ends_kept() -> None:
    values = np.random.default_rng(1).normal(size=100_000)
    shown = thinned(values, 500, np.random.default_rng(2))
    assert 500 <= len(shown) <= 502
    assert {values.argmin(), values.argmax()} <= set(shown.tolist())
    assert shown.tolist() == thinned(values, 500, np.random.default_rng(2)).tolist()


def test_large_data_make_small_files_that_say_so(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    groups = _groups({f"l{k}": np.exp(rng.normal(k / 3, 0.2, 20_000)) for k in range(5)})
    for made in (box_sheet(groups, "", groups, None), violin_sheet(groups, ""),
                 density_sheet(groups, ""), ecdf_sheet(groups, "")):  # fmt: skip
        assert made is not None
        made.write(tmp_path / "x.png", tmp_path / "x.svg")
        assert (tmp_path / "x.svg").stat().st_size < 1_000_000
    assert (
        f"{fixed(MOST_POINTS, 0)} of {fixed(100_000, 0)} points drawn"
        in box_sheet(groups, "", groups, None).note
    )


@pytest.mark.parametrize("n", [8, 200, 20_000])
def test_densities_are_those_of_a_gaussian_kernel(n: int) -> None:
    values = np.random.default_rng(n).gamma(3.0, 2.0, n) + 50.0
    found = curve_of(values, LINEAR)
    assert found is not None
    at, height = found
    assert np.trapezoid(height, at) == pytest.approx(1.0, abs=2e-3)
    sd = min(values.std(ddof=1), float(np.diff(np.quantile(values, [0.25, 0.75]))[0]) / 1.34)
    width = 0.9 * sd * n**-0.2
    z = (at[::10, None] - values[None, :]) / width
    exact = np.exp(-0.5 * z**2).mean(axis=1) / (width * math.sqrt(2 * math.pi))
    assert np.abs(height[::10] - exact).max() < 0.01 * exact.max()


def test_densities_stay_inside_what_can_be() -> None:
    share = Axis("accuracy", Unit(""), logarithmic=False, bounds=(0.0, 1.0))
    found = curve_of(np.random.default_rng(4).uniform(0.6, 1.0, 400), share)
    assert found is not None
    assert found[0].max() == 1.0
    assert np.trapezoid(found[1], found[0]) == pytest.approx(1.0, abs=2e-3)
    decades = Axis("energy, J", Unit("J"), logarithmic=True)
    logged = curve_of(np.exp(np.random.default_rng(5).normal(0, 2, 400)), decades)
    assert logged is not None
    assert np.trapezoid(logged[1], np.log10(logged[0])) == pytest.approx(1.0, abs=2e-3)


def test_steps_rise_from_nothing_to_all() -> None:
    values, share = steps_of(np.array([3.0, 1.0, 2.0, 2.0]))
    assert values.tolist() == [1.0, 1.0, 2.0, 2.0, 3.0]
    assert share.tolist() == [0.0, 0.25, 0.5, 0.75, 1.0]
    many, ends = steps_of(np.arange(100_000.0))
    assert len(many) < 1000
    assert (many[-1], ends[-1]) == (99_999.0, 1.0)


@pytest.mark.parametrize("n", [10, 60])
def test_the_band_holds_nineteen_of_twenty_normal_samples(n: int) -> None:
    low, high = band(n, np.arange(1.0, n + 1))
    drawn = np.random.default_rng(6).standard_normal((2000, n))
    drawn -= drawn.mean(axis=1, keepdims=True)
    drawn /= drawn.std(axis=1, ddof=1, keepdims=True)
    drawn.sort(axis=1)
    inside = np.all((drawn >= low) & (drawn <= high), axis=1)
    assert inside.mean() == pytest.approx(0.95, abs=0.02)
    assert local_level(n) == local_level(n) > 0.0


def test_ranks_hold_the_ends() -> None:
    ranks = chosen_ranks(100_000, 1500)
    assert ranks[:10].tolist() == list(range(1, 11))
    assert ranks[-1] == 100_000
    assert chosen_ranks(3, 1500).tolist() == [1, 2, 3]


@pytest.mark.parametrize("logged", [False, True])
def test_profiles_show_the_marginal_means_of_all_cells(logged: bool) -> None:
    rng = np.random.default_rng(7)
    frame = pd.DataFrame(
        {"a": np.repeat(["p", "q"], 10), "b": list("xxxyyyyzzz") + list("xxxxyyyzzz")}
    )
    frame["y"] = np.exp(rng.normal(1.0, 0.3, 20))
    first, second = (frame[name].astype("category").cat.codes.to_numpy() for name in "ab")
    found = cell_means(frame["y"].to_numpy(), first, second, (2, 3), logged=logged)
    text = "log(y) ~ a * b" if logged else "y ~ a * b"
    means = emmeans(lm(text, frame), ["a", "b"], scale="response" if logged else "model").frame()
    means = means.sort_values(["a", "b"])
    assert found.mean.ravel() == pytest.approx(means["estimate"].to_numpy(), rel=1e-12)
    assert found.low.ravel() == pytest.approx(means["ci_low"].to_numpy(), rel=1e-12)
    assert found.high.ravel() == pytest.approx(means["ci_high"].to_numpy(), rel=1e-12)
    assert found.df == 14


def test_empty_cells_and_single_rows_leave_holes() -> None:
    first, second = np.array([0, 0, 1]), np.array([0, 1, 0])
    found = cell_means(np.array([1.0, 2.0, 4.0]), first, second, (2, 2), logged=True)
    assert found.df == 0
    assert np.isnan(found.low).all()
    assert found.mean[0] == pytest.approx([1.0, 2.0])
    assert np.isnan(found.mean[1, 1])


def test_scatter_has_a_line_of_least_squares_and_rho_a_level(crossed: Answer) -> None:
    pair = pair_of(crossed.repetitions, "duration_s", "energy_j", "generation")
    made = scatter_sheet(crossed, pair, "duration_s", "repetition", "")
    own = pair.codes == 1
    slope, start = np.polyfit(pair.x[own], pair.y[own], 1)
    lines = [line for line in made.only.lines if line.get_linestyle() != "None"]
    x, y = lines[1].get_data()
    assert np.asarray(y) == pytest.approx(start + slope * np.asarray(x), rel=1e-9)
    assert (np.min(x), np.max(x)) == pytest.approx((pair.x[own].min(), pair.x[own].max()))
    legend = made.only.get_legend()
    assert legend is not None
    result = next(r for r in crossed.results if r.test == "Spearman with duration_s"
                  and (r.level, r.ending) == ("repetition", "pairwise"))  # fmt: skip
    rho = result.found["effect"].tolist()[1]
    assert legend.get_texts()[1].get_text() == f"3  (n 12, ρ {rho:.2f})"


def test_ratios_are_those_of_the_tables(crossed: Answer) -> None:
    first, *others = sections(crossed, "run")
    table = next(r.found for r in crossed.results if r.ending == "consec"
                 and r.test == "two-way ANOVA, ratios over task")  # fmt: skip
    assert [effect.label for effect in first.effects] == ["3 / 2", "3.1 / 3", "3.2 / 3.1"]
    assert [effect.value for effect in first.effects] == table["estimate"].tolist()
    assert [effect.low for effect in first.effects] == table["ci_low"].tolist()
    assert any(section.title.startswith("pairs: model") for section in others)


def test_contrasts_of_logarithms_become_ratios(tmp_path: Path) -> None:
    rows = generations()
    made = _answer(_frame(tmp_path, rows), Question("Q", "", "energy_j", "generation", ("run",)))
    table = next(r.found for r in made.results
                 if r.test == "planned contrasts" and r.scale == "log")  # fmt: skip
    effects = sections(made, "run")[0].effects
    assert [e.value for e in effects] == pytest.approx(np.exp(table["estimate"]).tolist())
    assert [e.high for e in effects] == pytest.approx(np.exp(table["ci_high"]).tolist())
    sheet_ = effect_sheet(made, sections(made, "run"), "")
    assert sheet_.only.get_xlabel() == "ratio of energy per run"
    assert sheet_.only.get_xscale() == "log"


def test_of_many_comparisons_the_farthest_are_drawn(crossed: Answer) -> None:
    steps = np.linspace(-1.0, 1.0, 101)
    table = pd.DataFrame({"contrast": [f"b{k} - a{k}" for k in range(101)], "estimate": steps,
                          "ci_low": steps - 0.1, "ci_high": steps + 0.1})  # fmt: skip
    result = Result("consec", table, "run", "log", "energy_j", "planned contrasts")
    question = Question("Q", "", "energy_j", "generation", ("run",))
    made = Answer(question, crossed.repetitions, crossed.means, [], [result])
    (section,) = sections(made, "run")
    assert len(section.effects) == MOST_ROWS
    assert section.left_out == 101 - MOST_ROWS
    least = min(abs(math.log(effect.value)) for effect in section.effects)
    assert least == pytest.approx(np.sort(np.abs(steps))[-MOST_ROWS])
    assert section.title.endswith("the 30 farthest")
    assert "71 more are in the table alone" in effect_sheet(made, [section], "").note


def test_levels_over_one_another_differ_in_grey_print() -> None:
    looks = [look(place) for place in range(LOOKS)]
    assert len({(each.dash, each.colour) for each in looks}) == LOOKS
    for group in (looks[:7], looks[7:]):
        assert len({each.dash for each in group}) == len({each.marker for each in group}) == 7


@pytest.mark.parametrize(
    ("low", "high"), [(1.0, 9.0), (0.9, 1.15), (1e-9, 1e9), (0.42, 0.43), (3.0, 400.0)]
)
def test_logarithmic_axes_have_some_ticks_inside(low: float, high: float) -> None:
    ticks = log_ticks(low, high)
    assert 2 <= len(ticks) <= 8
    assert ticks == sorted(set(ticks))
    assert all(0.99 * low <= tick <= 1.01 * high for tick in ticks)


def test_sheets_have_panels_with_one_style() -> None:
    made: Sheet = sheet("A title", "a note", 200.0, panels=2)
    first, second = made.axes
    assert first.get_position().x1 <= second.get_position().x0
    for axes in made.axes:
        assert not axes.spines["top"].get_visible()
    name_rows(first, _groups({"a": [1.0], "b": [2.0]}))
    second.set_xlim(1, 100)
    logarithmic(second, "x")
    assert second.get_xticklabels()[0].get_text() == "1"


def test_the_bandwidth_is_silvermans() -> None:
    # R: bw.nrd0(c(1, 2, 4, 8, 8.5, 9))
    values = np.array([1.0, 2.0, 4.0, 8.0, 8.5, 9.0])
    assert bandwidth(values) == pytest.approx(2.2184596814323609, rel=1e-14)
    assert bandwidth(np.array([1.0, 1.0, 1.0, 1.0, 5.0])) > 0  # quartiles are equal, values not
