"""The report as files: complete, self-contained, the same for the same records."""

from __future__ import annotations

import json
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from synthetic_study import ESTIMATE, Recipe, make_study

from joulebench.energy import Trace
from joulebench.errors import UsageError
from joulebench.record import Run, RunTable
from joulebench.record_traces import load_traces
from joulebench.report import build_report
from joulebench.report import figure_traces as traces
from joulebench.report.asked import planned_trials
from joulebench.report.content import content
from joulebench.report.drawing import VARIABLES
from joulebench.report.evidence import Evidence


def built(folder: Path, recipe: Recipe | None = None) -> str:
    make_study(folder, recipe)
    return build_report(folder).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study with its report, which is only read."""
    folder = tmp_path_factory.mktemp("usual") / "study"
    built(folder)
    return folder


def page_of(folder: Path) -> str:
    return (folder / "report" / "report.html").read_text(encoding="utf-8")


class Outline(HTMLParser):
    """Ids, open tags and links of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: Counter[str] = Counter()
        self.links: list[str] = []
        self.tags: Counter[str] = Counter()
        self.unnamed: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags[tag] += 1
        self.ids[found.get("id") or ""] += 1
        self.links += [v for k, v in found.items() if k in ("href", "src", "xlink:href") and v]
        if tag == "svg" and not found.get("aria-label"):
            self.unnamed.append(tag)


def test_writes_page_tables_and_figures(usual: Path) -> None:
    report = usual / "report"
    assert "tiny_b uses 1.57" in page_of(usual)
    names = {path.name for path in (report / "figures").iterdir()}
    assert {"cells-per-token.svg", "cells-energy.png", "trace-6.svg", "drift.png"} <= names
    cells = pd.read_csv(report / "tables" / "cells.csv")
    assert len(cells) == 6
    assert (cells["per_token_j_low"] < cells["per_token_j"]).all()
    contrasts = pd.read_csv(report / "tables" / "contrasts.csv")
    assert contrasts.loc[0, "ratio"] == pytest.approx(220 / 140, rel=0.05)


def test_needs_nothing_from_outside(usual: Path) -> None:
    outline = Outline(page_of(usual))
    assert all(link.startswith(("#", "data:")) for link in outline.links)
    assert not outline.tags["img"] + outline.tags["iframe"]


def test_ids_are_unique_links_lead_somewhere_and_figures_are_named(usual: Path) -> None:
    outline = Outline(page_of(usual))
    del outline.ids[""]
    assert not [name for name, times in outline.ids.items() if times > 1]
    assert {link[1:] for link in outline.links if link.startswith("#")} <= set(outline.ids)
    assert outline.tags["svg"] == 10
    assert not outline.unnamed


def test_the_same_records_give_the_same_bytes(usual: Path, tmp_path: Path) -> None:
    again = tmp_path / "b" / "study"
    assert built(again) == page_of(usual)
    for path in (usual / "report" / "figures").iterdir():
        assert path.read_bytes() == (again / "report" / "figures" / path.name).read_bytes()


def test_figures_follow_the_reader_s_scheme(usual: Path) -> None:
    text = page_of(usual)
    body = text[text.index("<body>") :]
    assert not [colour for colour in VARIABLES if colour in body]
    assert "var(--s1)" in body
    assert "var(" not in (usual / "report" / "figures" / "drift.svg").read_text()


@pytest.mark.parametrize("method", ["estimated", "simulated"])
def test_method_is_printed_at_every_joule(tmp_path: Path, method: str) -> None:
    from dataclasses import replace

    recipe = Recipe(channels=(replace(ESTIMATE, method=method),), traces=False)
    text = built(tmp_path, recipe)
    rows = re.findall(r"<tr>.*?</tr>", text, re.S)
    joules = [row for row in rows if re.search(r"\d ± \d", row)]
    assert len(joules) == 6 + 6 + 6 + 18, "cells, phases, answers, runs"
    assert all(f'<span class="badge {method}">{method}</span>' in row for row in joules)
    assert f"({method}, cpu package)</dd>" in text


def test_random_weights_are_said(tmp_path: Path) -> None:
    text = built(tmp_path, Recipe(random_weights=True, traces=False))
    assert "The weights are random" in text
    assert "Accuracy</button>" not in text
    assert "accuracy" not in pd.read_csv(tmp_path / "report" / "tables" / "cells.csv")


def test_failures_are_shown_and_their_text_is_escaped(tmp_path: Path) -> None:
    text = built(tmp_path, Recipe(failed=1, traces=False))
    assert "failed: the model ran out of memory &lt;8 GiB&gt;" in text
    assert "18 planned, 17 done, 1 failed" in text


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    bad = "<script>alert(1)</script> $x^2$"
    text = built(tmp_path, Recipe(factors={"model": [bad, "tiny_b"]}, question=bad))
    assert "<script>alert" not in text
    assert text.count("&lt;script&gt;alert(1)&lt;/script&gt;") > 4


def test_imported_records_say_so(tmp_path: Path) -> None:
    text = built(tmp_path, Recipe(origin="imported", idle=False, traces=False))
    assert "imported records" in text
    assert "Idle power was not measured" in text


def test_findings_stand_beside_the_numbers_they_touch(usual: Path) -> None:
    text = page_of(usual)
    assert 'id="finding-thermal-drift"' in text
    assert text.count('href="#finding-thermal-drift"') == 3 + len(
        {(run.levels["model"], run.levels["task"]) for run in RunTable.load(usual).runs
         if run.findings}
    )  # fmt: skip
    assert "Lengthen protocol.cooldown." in text


def test_without_findings_every_check_passed(tmp_path: Path) -> None:
    recipe = Recipe(factors={"model": ["a"]}, repetitions=2, scored=False)
    assert "Every check passed." in built(tmp_path, recipe)


def test_an_audit_of_the_study_stands_among_the_findings(tmp_path: Path) -> None:
    text = built(tmp_path, Recipe(factors={"model": ["a"]}, repetitions=2))
    assert 'id="finding-few-graded"' in text


def test_only_the_traces_that_are_drawn_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []

    def noted(path: Path) -> dict[str, Trace]:
        read.append(path)
        return load_traces(path)

    monkeypatch.setattr(traces, "load_traces", noted)
    built(tmp_path, Recipe(repetitions=2, factors={"model": [f"m{i}" for i in range(7)]}))
    assert len(read) == 6


def test_traces_that_cannot_be_read_become_a_finding(tmp_path: Path) -> None:
    table = make_study(tmp_path, Recipe(factors={"model": ["tiny_a"]}))
    for run in table.runs:
        table.trace_path(run.run_id).write_bytes(b"PAR1 cut short")
    assert 'id="finding-trace-unreadable"' in build_report(tmp_path).read_text()


def test_old_figures_are_removed(tmp_path: Path) -> None:
    built(tmp_path, Recipe(factors={"model": ["tiny_a"]}))
    assert list((tmp_path / "report" / "figures").glob("trace-*"))
    for path in (tmp_path / "traces").iterdir():
        path.unlink()
    text = build_report(tmp_path).read_text()
    assert "Power traces" not in text
    assert not list((tmp_path / "report" / "figures").glob("trace-*"))


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(factors={}, repetitions=1),
        Recipe(factors={"model": ["tiny_a"]}, repetitions=1, idle=False, scored=False),
        Recipe(failed=18),
        Recipe(traces=False, question=""),
    ],
)
def test_little_to_say_is_still_a_report(tmp_path: Path, recipe: Recipe) -> None:
    assert "</html>" in built(tmp_path, recipe)


def test_runs_without_energy_tokens_or_channels(tmp_path: Path) -> None:
    table = RunTable.create(tmp_path, {"study": "bare"})
    table.append(Run("one", "bare", {"levels": {}}))
    text = build_report(tmp_path).read_text()
    assert "No run of this study has an energy" in text
    assert "1 run done without an energy" in text


def test_what_is_no_study_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"not a study.*joulebench run"):
        build_report(tmp_path)
    RunTable.create(tmp_path / "empty", {"study": "empty"})
    with pytest.raises(UsageError, match="holds no run yet"):
        build_report(tmp_path / "empty")


def test_trials_not_run_yet_are_counted(tmp_path: Path) -> None:
    table = make_study(tmp_path, Recipe(traces=False))
    assert planned_trials(table.study) == 18
    lines = (tmp_path / "runs.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "runs.jsonl").write_text("".join(lines[:10]))
    assert "18 planned, 10 done, 0 failed, 8 not run yet" in build_report(tmp_path).read_text()


def test_the_json_form_is_json(tmp_path: Path) -> None:
    make_study(tmp_path, Recipe(repetitions=1, traces=False))
    found: dict[str, Any] = content(Evidence.of(tmp_path)).to_dict()
    text = json.dumps(found, allow_nan=False)
    assert json.loads(text)["cells"][0]["energy_j"]["value"] > 0
