"""What a report says of speed, delay and energy under load."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from served_study import Served, make_served

from joulebench.record import RunTable
from joulebench.report import build_report
from joulebench.report.content import Content, content
from joulebench.report.evidence import Evidence
from joulebench.report.load import UnderLoad, inverse, under_load
from joulebench.report.load_figures import MOST_LINES, MOST_PARTS, lines, load_pictures
from joulebench.report.load_rows import (
    ENERGY,
    SPEED,
    load_heads,
    load_notes,
    load_rows,
    load_title,
    load_told,
    load_words,
)
from joulebench.stats import Estimate

ONE = ("tiny_a",)


def found(folder: Path, served: Served) -> list[UnderLoad]:
    make_served(folder, served)
    return under_load(Evidence.of(folder))


def whole(folder: Path, served: Served) -> Content:
    make_served(folder, served)
    return content(Evidence.of(folder))


def test_rates_and_energy_are_of_the_steady_stretch(tmp_path: Path) -> None:
    cell = found(tmp_path, Served(sizes=(4,), models=ONE))[0]
    runs = RunTable.load(tmp_path).runs
    energy = sum(run.energy["gpu0:power"]["steady"]["joules"] for run in runs)
    tokens = sum(run.facts["serving"]["steady"]["tokens_out"] for run in runs)
    assert cell.window == "steady"
    assert cell.estimates["per_token_j"].value == pytest.approx(energy / tokens)
    assert cell.estimates["tokens_per_j"].value == pytest.approx(tokens / energy)
    assert cell.estimates["tokens_per_s"].value == pytest.approx(tokens / 90)
    # A watt per token a second is a joule per token, of one window.
    watts, rate = cell.estimates["power_w"].value, cell.estimates["tokens_per_s"].value
    assert watts / rate == pytest.approx(energy / tokens)


def test_without_a_steady_state_the_whole_window_counts_and_the_row_says_so(
    tmp_path: Path,
) -> None:
    cells = found(tmp_path, Served(sizes=(4, 16), unsettled=(16,), models=ONE))
    runs = [run for run in RunTable.load(tmp_path).runs if run.levels["concurrency"] == 16]
    energy = sum(run.energy["gpu0:power"]["measure"]["joules"] for run in runs)
    tokens = sum(run.work["tokens_out"] for run in runs)
    assert [cell.window for cell in cells] == ["steady", "measure"]
    assert cells[1].estimates["per_token_j"].value == pytest.approx(energy / tokens)
    assert cells[1].unsettled
    assert not cells[0].unsettled
    rows = load_rows(cells, ENERGY, ["concurrency"])
    assert [row["window"] + row["mark"] for row in rows] == ["steady", "measure‡"]
    assert "‡ no steady state in 1 cell (for example, more arrive than" in " ".join(
        load_notes(cells)
    )


def test_runs_without_a_steady_state_are_left_out_beside_those_with_one(tmp_path: Path) -> None:
    table = make_served(tmp_path, Served(sizes=(4,), models=ONE))
    run = table.runs[0]
    run.facts["serving"]["steady"] = {"found": False, "why": "too few requests"}
    run.energy["gpu0:power"]["measure"]["joules"] = 1e9
    table.append(run)
    cell = under_load(Evidence.of(tmp_path))[0]
    assert (cell.steady, cell.runs, cell.window) == (2, 3, "steady")
    assert cell.estimates["power_w"].value < 1000
    assert cell.estimates["goodput_per_s"].n == 3, "delays and goodput are of all runs"
    assert load_rows([cell], SPEED, [])[0]["mark"] == "§"


def test_runs_that_an_overload_spared_by_chance_do_not_stand_for_their_cell(
    tmp_path: Path,
) -> None:
    table = make_served(tmp_path, Served(kind="open", sizes=(4,), models=ONE))
    run = table.runs[0]
    run.facts["serving"]["steady"] = {"found": False, "why": "overload", "overload": True}
    table.append(run)
    cell = under_load(Evidence.of(tmp_path))[0]
    assert (cell.steady, cell.overload, cell.window) == (2, 1, "measure")
    assert cell.unsettled
    assert cell.estimates["power_w"].n == 3
    assert "Overload in some runs" in " ".join(load_notes([cell]))


def test_the_gain_of_the_sensor_is_in_every_interval_and_repeats_do_not_shrink_it(
    tmp_path: Path,
) -> None:
    cell = found(tmp_path, Served(sizes=(4,), models=ONE, repetitions=8))[0]
    for name in ("power_w", "per_token_j", "tokens_per_j"):
        estimate = cell.estimates[name]
        assert estimate.bias == pytest.approx(0.03 * estimate.value, rel=1e-6)
        assert estimate.half_width > 1.9 * 0.03 * estimate.value
        assert 2 * estimate.noise_half < estimate.half_width


def test_one_load_at_a_time_has_no_steady_state_to_miss(tmp_path: Path) -> None:
    cells = found(tmp_path, Served(kind="sequential", models=ONE))
    assert not cells[0].unsettled
    assert cells[0].window == "measure"
    assert load_words(cells[0]) == "one at a time"
    assert "steady" not in " ".join(load_notes(cells))
    assert load_pictures(cells) == []
    assert load_title(cells) == "Speed and delay"
    assert load_rows(cells, ENERGY, []) == [], "the table of cells has it"
    page = build_report(tmp_path).read_text(encoding="utf-8")
    assert "Runs in steady state" not in page


def test_a_lopsided_interval_is_printed_by_its_ends(tmp_path: Path) -> None:
    cell = found(tmp_path, Served(sizes=(4,), models=ONE))[0]
    even, odd = Estimate(1.0, 0.9, 1.1, 3), Estimate(1.0, 0.6, 3.0, 3)
    texts = [
        load_rows([replace(cell, estimates={"tokens_per_j": e})], ENERGY, [])[0]["figures"][0][0]
        for e in (even, odd)
    ]
    assert texts == ["1.00 ± 0.10", "1.00 (0.60 to 3.00)"]


def test_without_a_sensor_there_are_delays_and_no_energy(tmp_path: Path) -> None:
    cells = found(tmp_path, Served(energy=False, models=ONE))
    assert "latency_p95_s" in cells[0].estimates
    assert "power_w" not in cells[0].estimates
    assert load_rows(cells, ENERGY, []) == []
    names = {picture.name for picture in load_pictures(cells)}
    assert names == {"load-closed-ttft-p95", "load-closed-latency-p95", "load-closed-goodput"}


def test_percentiles_of_one_delay_share_a_unit(tmp_path: Path) -> None:
    cells = found(tmp_path, Served(sizes=(1, 16, 64)))
    heads = {head["title"]: head["unit"] for head in load_heads(cells, SPEED)}
    assert len({heads[f"Latency {part}"] for part in ("p50", "p95", "p99")}) == 1
    assert heads["Between tokens p99"] == "ms"


def test_a_run_alone_has_figures_and_no_interval(tmp_path: Path) -> None:
    cells = found(tmp_path, Served(sizes=(1,), models=ONE, repetitions=1))
    text, key = load_rows(cells, SPEED, [])[0]["figures"][-1]
    assert text == "960"
    assert float(key) == pytest.approx(0.96)
    assert "single run" in " ".join(load_notes(cells))


@pytest.mark.parametrize(("kind", "words"), [("open", "2 a second"), ("batch", "batches of 2")])
def test_the_load_is_said_where_no_factor_does(tmp_path: Path, kind: str, words: str) -> None:
    cells = found(tmp_path, Served(kind=kind, sizes=(2, 3), models=ONE))
    assert load_words(cells[0]) == words
    assert not load_told(cells)
    assert load_told([replace(cell, levels={"model": "a"}) for cell in cells])


def test_figures_mark_what_has_no_steady_state_and_draw_the_slo(tmp_path: Path) -> None:
    report = whole(tmp_path, Served(unsettled=(16,)))
    pictures = {picture.name: picture for picture in report.load_pictures}
    assert set(pictures) == {f"load-closed-{stem}" for stem in (
        "tokens-per-j", "power", "ttft-p95", "latency-p95", "goodput")}  # fmt: skip
    assert "SLO 200 ms" in pictures["load-closed-ttft-p95"].svg
    assert "SLO 2000 ms" in pictures["load-closed-latency-p95"].svg
    assert "SLO" not in pictures["load-closed-power"].svg
    assert "Open marks: no steady state" in pictures["load-closed-power"].caption
    assert "Measured, gpu board" in pictures["load-closed-power"].caption
    assert "tiny_b" in pictures["load-closed-power"].svg


def test_a_mark_is_open_where_there_is_no_steady_state(tmp_path: Path) -> None:
    cells = found(tmp_path, Served(energy=False, slo={}, models=ONE))
    others = [*cells[:-1], replace(cells[-1], steady=0)]
    (settled, _), (unsettled, _) = (load_pictures(each) for each in (cells, others))
    assert settled.svg != unsettled.svg


def test_marks_bars_and_limits_are_drawn_in_the_unit_of_the_axis(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: dict[str, Figure] = {}

    def keep(figure: Figure, name: str) -> tuple[str, bytes]:
        drawn[name] = figure
        return "", b""

    monkeypatch.setattr("joulebench.report.load_figures.rendered", keep)
    cells = found(tmp_path, Served(models=ONE))
    load_pictures(cells)
    heights = heights_in(drawn["load-closed-ttft-p95"])
    assert [200.0, 200.0] in heights  # the longest that counts as good, ms
    assert pytest.approx([1e3 * c.estimates["ttft_p95_s"].value for c in cells]) in heights
    per_j = [cell.estimates["tokens_per_j"] for cell in cells]
    bars = [
        sorted(each) for each in heights_in(drawn["load-closed-tokens-per-j"]) if len(each) == 2
    ]
    for estimate in per_j:
        assert pytest.approx([estimate.low, estimate.high]) in bars
    assert all(any(e.low <= low and high <= e.high for e in per_j) for low, high in bars)
    whole_bars = [bar for bar in bars if any(bar == pytest.approx([e.low, e.high]) for e in per_j)]
    assert (len(whole_bars), len(bars)) == (len(per_j), 2 * len(per_j))  # noise alone is less


def heights_in(figure: Figure) -> list[list[float]]:
    """What each line of a figure is drawn through, in units of its axis."""
    drawn = [np.asarray(line.get_ydata(), float) for line in figure.axes[0].lines]
    return [[float(height) for height in heights] for heights in drawn]


def test_what_was_measured_otherwise_is_no_part_of_a_line(tmp_path: Path) -> None:
    first, second = found(tmp_path, Served(sizes=(1, 4), models=ONE))
    assert len(lines([first, second])) == 1
    assert len(lines([first, replace(second, method="modelled")])) == 2
    assert len(lines([first, replace(second, scope="cpu package")])) == 2


def test_lines_hold_cells_that_differ_in_load_alone(tmp_path: Path) -> None:
    cells = found(tmp_path, Served(sizes=(16, 1, 4)))
    assert {line.name: [c.size for c in line.cells] for line in lines(cells)} == {
        "tiny_a": [1, 4, 16],
        "tiny_b": [1, 4, 16],
    }


def test_many_lines_are_parted_into_figures(tmp_path: Path) -> None:
    models = tuple(f"m{place}" for place in range(MOST_LINES * MOST_PARTS + 1))
    cells = found(tmp_path, Served(models=models, sizes=(1, 2), repetitions=1, slo={}))
    power = [p for p in load_pictures(cells) if p.name.startswith("load-closed-power")]
    assert len(power) == MOST_PARTS
    assert power[1].title.endswith("(2 of 4)")
    assert len({picture.name for picture in power}) == MOST_PARTS


def test_the_page_and_the_tables_have_it(tmp_path: Path) -> None:
    make_served(tmp_path, Served(unsettled=(16,)))
    page = build_report(tmp_path).read_text(encoding="utf-8")
    assert 'id="load"' in page
    assert '<a href="#load">' in page
    table = pd.read_csv(tmp_path / "report/tables/load.csv")
    assert list(table["window"]) == ["steady", "steady", "measure"] * 2
    assert set(table["slo_ttft_s"]) == {0.2}
    assert (table["tokens_per_j_low"] < table["tokens_per_j"]).all()
    assert (tmp_path / "report/figures/load-closed-power.svg").exists()
    again = Served(sizes=(4,))
    for old in tmp_path.glob("*.jsonl"):
        old.unlink()
    (tmp_path / "study.yaml").unlink()
    make_served(tmp_path, again)
    build_report(tmp_path)
    assert not list((tmp_path / "report/figures").glob("load-*")), "of the report before"


def test_runs_that_timed_nothing_have_no_section(tmp_path: Path) -> None:
    table = make_served(tmp_path, Served(models=ONE))
    for run in table.runs:
        del run.facts["serving"]
        table.append(run)
    assert 'id="load"' not in build_report(tmp_path).read_text(encoding="utf-8")
    assert not (tmp_path / "report/tables/load.csv").exists()


def test_peak_memory_stands_among_the_runs_where_it_is_known(tmp_path: Path) -> None:
    memory = {"peak_memory": {"host_bytes": 3 * 2**30}}
    make_served(tmp_path / "a", Served(models=ONE, facts=memory))
    page = build_report(tmp_path / "a").read_text(encoding="utf-8")
    assert "Peak host memory" in page
    assert f'data-key="{3 * 2**30}">3.00</td>' in page
    assert "Peak device memory" not in page
    make_served(tmp_path / "b", Served(models=ONE))
    assert "Peak host" not in build_report(tmp_path / "b").read_text(encoding="utf-8")


def test_engines_are_listed_as_they_ran(tmp_path: Path) -> None:
    engine = {"dtype": "bfloat16", "quantization": "awq", "version": "0.32.0", "remote": True,
              "prompts_truncated": 2}  # fmt: skip
    page = build_report_of(tmp_path, Served(models=ONE, sizes=(1,), engine=engine))
    row = page[page.index('aria-label="Engines"') :]
    row = row[: row.index("</table>")]
    for word in ("vllm", "bfloat16", "awq", "0.32.0", "on another machine", '<td class="num">6<'):
        assert word in row


def build_report_of(folder: Path, served: Served) -> str:
    make_served(folder, served)
    return build_report(folder).read_text(encoding="utf-8")


def test_one_over_an_estimate_has_its_ends_exchanged() -> None:
    found = inverse(Estimate(2.0, 1.0, 4.0, 3, 0.1, 0.2))
    assert found is not None
    assert (found.value, found.low, found.high) == (0.5, 0.25, 1.0)
    assert (found.noise, found.bias) == pytest.approx((0.025, 0.05))
    assert inverse(Estimate(0.0, -1.0, 1.0, 3)) is None
    open_above = inverse(Estimate(1.0, -1.0, 3.0, 3))
    assert open_above is not None
    assert open_above.high == math.inf
