"""Studies that are large, broken, mixed or oddly named still get a whole report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from synthetic_study import CPU, ESTIMATE, GPU, Recipe, make_study

from joulebench.errors import UsageError
from joulebench.finding import Finding
from joulebench.record import RunTable
from joulebench.report import build_report
from joulebench.report.build import write_report
from joulebench.report.cells import cells
from joulebench.report.content import Content, content
from joulebench.report.drawing import LONGEST_LABEL, label_text
from joulebench.report.evidence import Evidence
from joulebench.report.figure_cells import MOST_ROWS, row_labels

ONE = {"model": ["tiny_a"]}


def page(table: RunTable) -> str:
    return written(found_in(table))


def rules(found: Content) -> dict[str, Finding]:
    return {row.rule: row.example for row in found.findings}


def found_in(table: RunTable) -> Content:
    return content(Evidence(table))


def written(found: Content) -> str:
    return write_report(found).read_text(encoding="utf-8")


@pytest.mark.parametrize(("models", "figures"), [(MOST_ROWS, True), (MOST_ROWS + 1, False)])
def test_many_cells(tmp_path: Path, models: int, figures: bool) -> None:
    factors = {"model": [f"model-{place:03}" for place in range(models)]}
    table = make_study(tmp_path, Recipe(factors=factors, repetitions=2, traces=False))
    text = page(table)
    assert text.count('<th scope="row" class="nowrap">model-') == 3 * models, (
        "cells, phases and answers"
    )
    assert (tmp_path / "report" / "figures" / "cells-energy.svg").exists() == figures
    pairs = models * (models - 1) // 2
    assert f"allows for {pairs}\ncomparisons" in text
    assert "Shown are the 40 largest" in text
    assert text.count('<th scope="row">model</th>') == 40
    with (tmp_path / "report" / "tables" / "contrasts.csv").open() as lines:
        assert sum(1 for _ in lines) == pairs + 1


ODD = ["模型 <b>&\"'", "rocket 🚀", "tab\there", "two\nlines", "=1+1", "a" * 120, "nul\0x\x1b[31m"]


def test_odd_names_of_levels(tmp_path: Path) -> None:
    text = page(make_study(tmp_path, Recipe(factors={"model": ODD})))
    assert "<b>" not in text
    assert "模型 &lt;b&gt;&amp;" in text
    svg = (tmp_path / "report" / "figures" / "cells-energy.svg").read_text()
    assert "模型 &lt;b&gt;&amp;" in svg
    assert not set(svg) & {"\0", "\x1b"}
    assert f'class="long">{"a" * 120}</th>' in text


def test_labels_are_one_line_of_bounded_length() -> None:
    assert label_text(" a\tb\n\x1bc ") == "a b c"
    assert len(label_text("x" * 500)) == LONGEST_LABEL
    assert label_text("x" * LONGEST_LABEL) == "x" * LONGEST_LABEL


def test_hostile_factor_error_and_finding(tmp_path: Path) -> None:
    bad = "<img src=x onerror=alert(1)>"
    table = make_study(tmp_path, Recipe(factors={"model": ["a", bad]}, failed=1))
    table.study["findings"] = [Finding("odd", "note", bad, bad, bad, bad, bad).to_dict()]
    table.study["order"] = {"kind": bad, "seed": bad}
    table.hosts["box-1"][bad] = bad
    assert "<img" not in page(table)


def test_two_hosts_are_told_apart(tmp_path: Path) -> None:
    table = make_study(tmp_path, Recipe(factors=ONE, traces=False))
    assert "several-hosts" not in rules(found_in(table))
    table.hosts["box-2"] = {"hostname": "box-2"}
    table.runs[0].host = "box-2"
    found = found_in(table)
    finding = rules(found)["several-hosts"]
    assert finding.seen == "box-2, box-1"
    assert "1 of 1 cells average" in finding.message
    text = written(found)
    assert text.count('<td class="nowrap">box-2</td>') == 2 + 1, "two channels and one run"
    assert "Host box-2" in text


def test_a_host_for_each_cell_is_confounded(tmp_path: Path) -> None:
    recipe = Recipe(factors={"model": ["tiny_a", "tiny_b"]}, traces=False)
    table = make_study(tmp_path, recipe)
    for run in table.runs:
        run.host = f"box-{run.levels['model']}"
    assert "one of machines" in rules(found_in(table))["several-hosts"].message


def test_two_methods_are_two_rows_with_two_names(tmp_path: Path) -> None:
    table = make_study(tmp_path, Recipe(factors=ONE, repetitions=4, channels=(CPU,)))
    for run in table.runs[:2]:
        run.channels = [replace(CPU, name=ESTIMATE.name, method="estimated")]
        windows = run.energy["cpu0:package"].items()
        run.energy = {
            ESTIMATE.name: {name: {**energy, "method": "estimated"} for name, energy in windows}
        }
    found = cells(Evidence(table))
    assert sorted(row_labels(found)) == ["tiny_a · estimated", "tiny_a · measured"]
    text = page(table)
    assert "energy of all measured windows" not in text, "methods are not added"
    assert "tiny_a · estimated" in text


def test_scopes_are_named_where_they_differ(tmp_path: Path) -> None:
    table = make_study(tmp_path, Recipe(factors=ONE))
    table.runs[0].channels = [GPU]
    labels = row_labels(cells(Evidence(table)))
    assert sorted(labels) == ["tiny_a · gpu board", "tiny_a · gpu board + cpu package"]


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[60:400] = bytes(byte ^ 0x5A for byte in content[60:400])
    path.write_bytes(bytes(content))


def _rewritten(change: Callable[[pa.Table], pa.Table]) -> Callable[[Path], None]:
    return lambda path: pq.write_table(change(pq.read_table(path)), path)


def _backwards(table: pa.Table) -> pa.Table:
    return table.set_column(1, "t_s", pa.array(table["t_s"].to_numpy()[::-1]))


def _no_number(table: pa.Table) -> pa.Table:
    return table.set_column(2, "v", pa.array(np.full(len(table), np.nan)))


@pytest.mark.parametrize(
    "damage",
    [
        _truncate,
        _flip,
        lambda path: path.write_bytes(b""),
        _rewritten(_backwards),
        _rewritten(_no_number),
        _rewritten(lambda table: table.drop_columns(["v"])),
        _rewritten(lambda table: table.slice(0, 1)),
        _rewritten(lambda table: table.set_column(0, "channel", table["channel"].cast("string"))),
        _rewritten(lambda table: table.replace_schema_metadata({"joulebench.channels": "[{}]"})),
    ],
)
def test_damaged_traces_leave_the_rest_whole(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    table = make_study(tmp_path, Recipe(factors={"model": ["tiny_a", "tiny_b"]}, repetitions=1))
    damage(table.trace_path(table.runs[0].run_id))
    found = found_in(table)
    finding = rules(found)["trace-unreadable"]
    assert finding.where == table.runs[0].run_id
    assert "\n" not in finding.message
    text = written(found)
    assert "Power traces" in text
    assert not (tmp_path / "report" / "figures" / "trace-3.svg").exists()


def test_missing_traces_are_a_note(tmp_path: Path) -> None:
    table = make_study(tmp_path, Recipe(factors={"model": ["tiny_a", "tiny_b"]}))
    assert "trace-missing" not in rules(found_in(table))
    table.trace_path(table.runs[0].run_id).unlink()
    found = found_in(table)
    assert rules(found)["trace-missing"].seen == "1 of 6 runs"
    assert "Power traces" in written(found)


def test_missing_windows(tmp_path: Path) -> None:
    table = make_study(tmp_path, Recipe(factors={"model": ["tiny_a", "tiny_b"]}))
    for run in table.runs:
        run.windows = []
    text = page(table)
    assert "Energy per run" in text
    assert "Mean power" not in text
    assert "Idle power was not measured" in text


def test_one_run(tmp_path: Path) -> None:
    table = make_study(tmp_path, Recipe(factors=ONE, repetitions=1))
    text = page(table)
    assert "One condition was measured" in text
    assert "1 run</summary>" in text
    assert "1 cell of one run" in text
    (cell,) = cells(Evidence(table))
    assert cell.estimates["per_token_j"].noise > 0


def test_only_failed_runs(tmp_path: Path) -> None:
    table = make_study(tmp_path, Recipe(failed=18))
    text = page(table)
    assert "No run of this study has an energy." in text
    assert "0 done, 18 failed" in text
    assert text.count("ran out of memory") == 18
    assert not list((tmp_path / "report" / "tables").glob("cells.csv"))


def test_findings_of_the_study_are_shown(tmp_path: Path) -> None:
    table = make_study(tmp_path, Recipe(factors=ONE, repetitions=2))
    found = Finding(
        "label-inconsistent", "note", "runs.csv", "Two spellings.", "Use one.", "2, 2.0"
    )
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump({**table.study, "findings": [found.to_dict()]}))
    text = build_report(tmp_path).read_text()
    assert 'id="finding-label-inconsistent"' in text
    assert "seen: 2, 2.0" in text
    path.write_text(yaml.safe_dump({**table.study, "findings": [{"rule": "x"}]}))
    with pytest.raises(UsageError, match=r"study\.yaml: findings: .*mend or remove"):
        build_report(tmp_path)


def test_the_tab_says_what_it_is(tmp_path: Path) -> None:
    text = page(make_study(tmp_path, Recipe(traces=False)))
    assert "<title>synthetic · Joulebench energy report</title>" in text
    assert '<meta name="description" content="tiny_b uses 1.57' in text
    assert '<link rel="icon" href="data:image/svg+xml,%3Csvg' in text
