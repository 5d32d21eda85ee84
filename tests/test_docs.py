"""The documentation against the program: every example runs, every option and key is there."""

from __future__ import annotations

import inspect
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

import docs_pages as pages
import joulebench as jb
from docs_pages import ROOT, Block, Command
from joulebench.cli import VERBS, commands, verb
from joulebench.meters.registry import resolve
from joulebench.meters.simulated import BOARDS, Faults
from joulebench.plugins import load_plugin, plugin_names
from joulebench.run_row import COLUMNS
from joulebench.study import load, plan
from joulebench.study_file import StudyFile
from joulebench.study_plan import _SETTINGS
from joulebench.tasks.registry import build_task
from joulebench.workloads.registry import build_workload

Done = subprocess.CompletedProcess[str]
COMMANDS, STUDIES = ROOT / "docs/commands.md", ROOT / "docs/studies.md"
AUDIT, METERS = ROOT / "docs/audit.md", ROOT / "docs/meters.md"
NAMES = commands()
"""Verbs, and the commands of verbs that have several: ``testbed serve``."""
FIRST = "joulebench run examples/first-study.yaml"
OURS = [c for c in pages.commands() if shlex.split(c.line, comments=True)[0] == "joulebench"]
RUN = [c for c in OURS if c.block.mark.startswith("run")]
EXAMPLES = sorted((ROOT / "examples").glob("*.*"))


def run_here(folder: Path, words: list[str], **more: str) -> Done:
    environment = {**os.environ, "COLUMNS": "100", **more}
    return subprocess.run(
        words, cwd=folder, env=environment, text=True, timeout=120, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def joulebench(folder: Path, line: str, **more: str) -> Done:
    words = shlex.split(line, comments=True)[1:]
    program = "from joulebench.cli import main; main()"
    return run_here(folder, [sys.executable, "-c", program, *words], **more)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    """A folder with the examples in it, and the first study run there."""
    folder = tmp_path_factory.mktemp("docs")
    shutil.copytree(ROOT / "examples", folder / "examples")
    return folder, joulebench(folder, FIRST)


# Audits


def test_every_rule_has_its_section_and_no_other_has_one() -> None:
    from joulebench.audit.catalogue import rules

    comparisons = {"meters-disagree", "part-above-whole"}  # made where energies are made
    headings = re.findall(r"^### (\S+)$", AUDIT.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(headings) == sorted({rule.name for rule in rules()} | comparisons)


# Commands


def named(line: str) -> tuple[str, list[str]]:
    """Part what is typed into the name of a command, of two words in a group, and the rest."""
    name, *words = shlex.split(line, comments=True)
    if name in VERBS and name not in NAMES and words:
        return f"{name} {words[0]}", words[1:]
    return name, words


def options(name: str) -> set[str]:
    words = (word for p in verb(name).params for word in (*p.opts, *p.secondary_opts))
    return {word for word in words if word.startswith("--")}


def test_every_verb_has_its_section_and_no_other_has_one() -> None:
    headings = [h for h in pages.sections(COMMANDS) if h.startswith("joulebench ")]
    assert headings == [f"joulebench {name}" for name in NAMES]


@pytest.mark.parametrize("name", NAMES)
def test_the_options_of_a_verb_are_those_documented(name: str) -> None:
    section = pages.sections(COMMANDS)[f"joulebench {name}"]
    documented = [row[0] for row in pages.rows(section)]
    assert {o for cell in documented for o in re.findall(r"--[a-z-]+", cell)} == options(name)
    arguments = {p.metavar or p.name for p in verb(name).params if p.param_type_name == "argument"}
    told = {c for c in documented if not c.startswith("`--")}
    assert set(map(_letters, told)) >= {_letters(str(argument)) for argument in arguments}


def _letters(text: str) -> str:
    return re.sub(r"[^A-Z]", "", text.upper())


@pytest.mark.parametrize("name", NAMES)
def test_a_section_speaks_of_no_option_that_its_verb_lacks(name: str) -> None:
    section = pages.sections(COMMANDS)[f"joulebench {name}"]
    spoken = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", section))
    assert spoken <= options(name) | {"--help"}


@pytest.mark.parametrize("command", OURS, ids=str)
def test_every_command_is_understood(command: Command) -> None:
    name, words = named(command.line.partition(" ")[2])
    if name in NAMES:
        verb(name).make_context(name, words)
    else:
        assert command in RUN


@pytest.mark.parametrize("page", [*pages.PAGES, *EXAMPLES], ids=lambda page: str(page.name))
def test_commands_in_sentences_exist(page: Path) -> None:
    text = page.read_text("utf-8")
    for line in re.findall(r"`joulebench ([a-z][^`]*)`|Type: joulebench (.*)", text):
        name, words = named(line[0] or line[1])
        given = words[: words.index("--")] if "--" in words else words
        assert name in {*NAMES, *VERBS}
        if name not in NAMES:
            continue
        assert {word for word in given if word.startswith("--")} <= options(name)


def test_every_verb_is_shown_at_work() -> None:
    assert {named(command.line.partition(" ")[2])[0] for command in RUN} >= set(NAMES)


@pytest.mark.parametrize("command", RUN, ids=str)
def test_an_example_prints_what_the_page_shows(
    command: Command, first: tuple[Path, Done], request: pytest.FixtureRequest
) -> None:
    folder, ran = first
    mark = command.block.mark
    if "needs published data" in mark:
        put_published_runs(folder, request.getfixturevalue("reference"))
    done = ran if command.line == FIRST else joulebench(folder, command.line)
    expected = re.search(r"status (\d)", mark)
    assert done.returncode == (int(expected[1]) if expected else 0), done.stdout
    if "depends on the machine" not in mark:
        exactly = "exactly" in mark
        # What runs beside the tests is no part of the page.
        printed = re.sub(r"^ *warning \(shared-machine\).*\n", "", done.stdout, flags=re.MULTILINE)
        assert pages.alike(command.shown, printed, exactly=exactly), done.stdout


def put_published_runs(folder: Path, reference: Path) -> None:
    runs, table = folder / "experiments", folder / "run_table.csv"
    if not runs.exists():
        published = reference / "greenlab"
        runs.symlink_to(published / "experiments")
        table.symlink_to(published / "run_tables/GL_Final_Run_Table_Edited.csv")


@pytest.mark.parametrize(
    "line",
    [
        "joulebench doctor --json -",
        "joulebench measure --meters simulated --json result.json -- true",
        f"{FIRST.replace('run', 'plan', 1)} --json -",
        "joulebench run runs/first-study --json -",
        "joulebench status first-study --json -",
        "joulebench report runs/first-study --json -",
    ],
)
def test_the_keys_of_a_result_are_documented(line: str, first: tuple[Path, Done]) -> None:
    folder, _ = first
    name = line.split()[1]
    done = joulebench(folder, line)
    text = done.stdout[done.stdout.index("{") :] if name != "measure" else ""
    result = json.loads(text or (folder / "result.json").read_text())
    documented = _json_row(name) + (_json_row("status") if name == "run" else "")
    assert {key for key in result if f"`{key}`" not in documented} == set()


def _json_row(name: str) -> str:
    section = pages.sections(COMMANDS)[f"joulebench {name}"]
    return next(row[1] for row in pages.rows(section) if row[0] == "`--json FILE`")


# Studies


def study_of(block: Block) -> dict[str, Any]:
    """Give the study that a block is, or a small one with the fragment that it is."""
    content: dict[str, Any] = yaml.safe_load(block.text)
    if "study" in content:
        return content
    assert block.mark.startswith("fragment"), f"{block} is no study; mark it <!-- fragment -->"
    factors = content.get("factors", {})
    missing = {key: value for key, value in BASE.items() if key not in factors}
    return {**missing, **content}


BASE = {"study": "base", "model": "tiny_a", "task": "boolq", "tasks": {"items": 2}}


@pytest.mark.parametrize("block", pages.all_blocks("yaml"), ids=str)
def test_every_study_can_be_planned(block: Block, tmp_path: Path) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(yaml.safe_dump(study_of(block)))
    if "needs the hub" in block.mark:
        assert plan(load(str(file)))
    else:
        check_study(file)


def check_study(file: Path) -> list[dict[str, Any]]:
    """Check a study as far as it can be without running it."""
    study = load(str(file))
    resolve(study.meters)
    plans = plan(study)
    for each in plans:
        if each["workload"] == "command":
            assert each["command"]
        else:
            build_workload(each)
    return plans


def keys(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Give every key of a study file with its default as the page writes it."""
    for name, field in model.model_fields.items():
        inner = [part for part in _parts(field.annotation) if _is_model(part)]
        if inner != [field.annotation]:
            yield f"{prefix}{name}", _default(f"{prefix}{name}", field.get_default())
        for part in inner:
            yield from keys(part, f"{prefix}{name}.")


def _default(key: str, value: object) -> str:
    if key.endswith(".seed") and value is not None:
        return "derived"
    if value is PydanticUndefined:
        return "required"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return "empty" if value == "" else f"`{value}`" if value not in (None, [], {}) else "none"


def _parts(annotation: Any) -> list[Any]:
    return [annotation, *(part for arg in get_args(annotation) for part in _parts(arg))]


def _is_model(part: Any) -> bool:
    return isinstance(part, type) and issubclass(part, BaseModel)


def test_every_key_of_a_study_is_documented_with_its_default() -> None:
    table = pages.rows(pages.sections(STUDIES)["Every key"])
    assert {row[0].strip("`"): row[1] for row in table} == dict(keys(StudyFile))


@pytest.mark.parametrize("group", ["Engines", "Meters"])
def test_every_option_of_an_engine_and_a_meter_is_documented(group: str) -> None:
    points = f"joulebench.{group.lower()}"
    expected = {
        (kind, option, default)
        for kind in plugin_names(points)
        for option, default in parameters(load_plugin(points, kind, "kind"))
    }
    tables = pages.tables(ROOT / f"docs/{group.lower()}.md").items()
    assert {(kind, row[0].strip("`"), row[1]) for kind, rows in tables for row in rows} == expected


INTERNAL = {
    "model", "library", "root", "cpuinfo", "stat", "clock", "start_s", "pci", "proc", "driver",
    "wait", "environment",
}  # fmt: skip
"""Arguments that a study does not set: given by the engine's builder, or there for tests."""


def parameters(factory: Callable[..., Any]) -> Iterator[tuple[str, str]]:
    for name, parameter in inspect.signature(factory).parameters.items():
        default = parameter.default
        if name in INTERNAL:
            continue
        if default is parameter.empty:
            yield name, "required"
        elif default in (None, ""):
            yield name, "–"
        else:
            yield name, f"`{str(default).lower() if isinstance(default, bool) else default}`"


def test_every_simulated_board_is_documented() -> None:
    table = pages.rows(pages.sections(METERS)["Simulated boards"])
    shown = {(row[0].strip("`"), row[1].strip("`")): row[2:] for row in table if len(row) == 5}
    domains = {
        (name, domain.channel.name): domain for name, board in BOARDS.items() for domain in board
    }
    assert shown.keys() == domains.keys()
    for name, (reads, period_ms, averaging_ms) in shown.items():
        channel, share, base_w = (
            domains[name].channel,
            domains[name].share,
            domains[name].base_w,
        )
        assert float(period_ms) == 1e3 * channel.period_s
        assert float(averaging_ms) == 1e3 * channel.averaging_s
        assert reads.startswith("power, W" if channel.unit == "W" else "energy counter, J")
        assert ("wraps" in reads) == (channel.wrap_j is not None)
        assert (f"{share:g} of the power" in reads) == (share != 1)
        assert (f"{base_w:g} W" in reads) == (base_w != 0)


def test_every_fault_is_documented() -> None:
    section = pages.sections(METERS)["Simulated boards"]
    assert [part.name for part in fields(Faults) if f"`{part.name}`" not in section] == []


def test_every_column_and_every_setting_is_documented() -> None:
    parts = pages.sections(STUDIES)
    assert [c for c in COLUMNS if f"`{c}`" not in parts["The folder of a study"]] == []
    assert [name for name in _SETTINGS if f"`{name}`" not in parts["Factors"]] == []


# Python


@pytest.mark.parametrize(
    "page", [p for p in pages.PAGES if pages.blocks(p, "python")], ids=lambda page: str(page.name)
)
def test_the_python_of_a_page_runs_and_prints_what_it_shows(
    page: Path,
    first: tuple[Path, Done],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(first[0])
    names: dict[str, Any] = {"__name__": "docs"}
    for block in pages.blocks(page, "python"):
        if block.mark.startswith("not run: "):
            continue
        exec(compile("\n" * (block.line - 1) + block.text, str(page), "exec"), names)
        shown, printed = pages.output_of(block), capsys.readouterr().out
        exactly = "exactly" in block.mark
        assert shown is None or pages.alike(shown, printed, exactly=exactly), printed


def test_every_public_name_is_documented() -> None:
    text = (ROOT / "docs/python.md").read_text("utf-8")
    assert [name for name in jb.__all__ if f"`{name}`" not in text] == []


def test_the_meter_of_the_page_works_as_a_plugin(tmp_path: Path) -> None:
    files = {b.mark.removeprefix("file: "): b.text for b in pages.blocks(ROOT / "docs/python.md")}
    project = tomllib.loads(files["pyproject.toml"])["project"]
    installed = tmp_path / f"battery_meter-{project['version']}.dist-info"
    installed.mkdir()
    (tmp_path / "battery_meter.py").write_text(files["battery_meter.py"])
    head = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    (installed / "METADATA").write_text(head)
    [(group, points)] = project["entry-points"].items()
    entries = "".join(f"{name} = {target}\n" for name, target in points.items())
    (installed / "entry_points.txt").write_text(f"[{group}]\n{entries}")
    (tmp_path / "power_now").write_text("12000000\n")
    line = "joulebench measure --meters battery:path=power_now --json e.json -- sleep 0.2"
    done = joulebench(tmp_path, line, PYTHONPATH=str(tmp_path))
    assert done.returncode == 0, done.stdout
    result = json.loads((tmp_path / "e.json").read_text())
    assert result["energy"]["joules"] == pytest.approx(12 * result["duration_s"])
    assert result["energy"]["scope"] == "node"
    missing = joulebench(tmp_path, line.replace("power_now", "none"), PYTHONPATH=str(tmp_path))
    assert missing.returncode == 2
    assert "There is no battery reading at none." in missing.stdout


# Examples, links, changes


@pytest.mark.parametrize("file", [f for f in EXAMPLES if f.suffix == ".py"], ids=lambda f: f.name)
def test_an_example_program_runs(file: Path, tmp_path: Path) -> None:
    done = run_here(tmp_path, [sys.executable, "-W", "error", str(file)])
    assert done.returncode == 0, done.stdout
    assert "±" in done.stdout


def test_the_example_studies_can_be_planned() -> None:
    planned = {f.name: len(check_study(f)) for f in EXAMPLES if f.suffix == ".yaml"}
    assert planned == {
        "first-study.yaml": 6, "judged.yaml": 4, "rate-sweep.yaml": 15, "superglue-tiny.yaml": 24,
        "virtual.yaml": 60,
    }  # fmt: skip


def test_the_real_items_fit_the_example(reference: Path) -> None:
    given = {"tasks.data": str(reference / "superglue"), "tasks.items": 80}
    study = load(str(ROOT / "examples/superglue-tiny.yaml"), given)
    for each in plan(study):
        assert len(build_task(each["task"], each["tasks"]).requests()) == 80


def test_the_first_study_measures_what_its_board_draws(first: tuple[Path, Done]) -> None:
    folder, done = first
    assert done.returncode == 0, done.stdout
    frame = jb.RunTable.load(folder / "runs/first-study").frame()
    assert len(frame) == 6
    assert (frame["energy_j"] / frame["duration_s"]).to_list() == pytest.approx([250] * 6, rel=0.01)
    assert (folder / "runs/first-study/report/report.html").is_file()


@pytest.mark.parametrize("page", pages.PAGES, ids=lambda page: str(page.name))
def test_links_lead_somewhere(page: Path) -> None:
    for target in pages.links(page):
        path, _, anchor = target.partition("#")
        place = (page.parent / path).resolve() if path else page
        assert place.exists(), target
        assert not anchor or anchor in pages.anchors(place), target


def test_the_changelog_has_this_version() -> None:
    assert f"\n## {jb.__version__}" in (ROOT / "CHANGELOG.md").read_text("utf-8")
