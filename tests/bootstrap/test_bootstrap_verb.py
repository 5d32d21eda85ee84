"""``joulebench testbed init`` as it is typed, and what it takes its surroundings for."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from far_machine import FarMachine, with_options

from joulebench import __version__
from joulebench.bootstrap.choices import VLLM_VERSION
from joulebench.bootstrap.python_steps import engine_step, environment_step
from joulebench.bootstrap.source import own_source, source_named
from joulebench.bootstrap.surroundings import find_surroundings
from joulebench.cli import invoke

Captured = pytest.CaptureFixture[str]
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FarMachine:
    """A machine whose stand-ins note what is run, and whose home is this process's."""
    found = FarMachine(tmp_path / "machine")
    for key, value in found.environment.items():
        monkeypatch.setenv(key, value)
    for key in ("HF_HOME", "HF_TOKEN", "XDG_CACHE_HOME", "XDG_STATE_HOME", "SLURM_JOB_ID"):
        monkeypatch.delenv(key, raising=False)
    monkeypatch.setenv("PIP_NO_INDEX", "1")  # nothing comes from outside
    monkeypatch.chdir(found.home)
    return found


def init(*words: str) -> int:
    return invoke(["testbed", "init", *words])


HERE = ["--venv", sys.prefix, "--engine", "none", "--no-sensors", "--no-energibridge"]


def test_a_dry_run_prints_a_script(far: FarMachine, capsys: Captured) -> None:
    before = far.files()
    words = ["--dry-run", "--venv", str(far.root / "venv"), "--models", "a/b-1B"]
    assert init(*words, "--service", "--user", "--no-energibridge") == 0
    text = capsys.readouterr().out
    venv = far.root / "venv"
    assert f"{sys.executable} -m venv {venv}\n" in text
    assert f"vllm=={VLLM_VERSION} 'transformers<5'\n" in text
    assert f"{venv}/bin/hf download a/b-1B --exclude 'original/*' --quiet\n" in text
    assert "systemctl --user restart joulebench-testbed.service" in text
    assert far.files() == before
    assert far.typed() == []


def test_a_machine_is_set_up_and_told_of_as_json(far: FarMachine, capsys: Captured) -> None:
    token = far.home / "my token"
    words = [*HERE, "--no-service", "--token-file", str(token), "--json", "-"]
    assert init(*words) == 0
    told = json.loads(capsys.readouterr().out)
    states = {step["name"]: step["state"] for step in told["steps"]}
    assert states == {
        "environment": "skipped", "engine": "skipped", "hub tool": "skipped", "models": "skipped",
        "energibridge": "skipped", "rapl": "skipped", "ipmi": "skipped", "token": "done",
        "service": "skipped",
    }  # fmt: skip
    assert told["token_file"] == str(token)
    assert "--token-file '" in told["start"]
    assert token.read_text() not in json.dumps(told)


def test_a_failure_gives_status_1_and_says_what_to_do(far: FarMachine, capsys: Captured) -> None:
    (far.home / "short").write_text("x")
    assert init(*HERE, "--no-service", "--token-file", "short") == 1
    said = capsys.readouterr().out
    assert f"token: failed: {far.home / 'short'} holds fewer than 32 characters" in said
    assert "rapl: skipped: --no-sensors" in said


def test_the_models_of_a_study_are_downloaded(far: FarMachine, capsys: Captured) -> None:
    (far.home / "study.yaml").write_text(
        "study: s\nfactors: {model: [tiny_a, org/one-1B, org/two-1B]}\ntask: boolq\n"
    )
    assert init("--dry-run", "--study", "study.yaml", "--models", "org/one-1B") == 0
    text = capsys.readouterr().out
    assert text.count("hf download org/one-1B ") == 1
    assert text.count("hf download org/two-1B ") == 1
    assert "tiny_a" not in text


def test_options_of_serve_are_handed_on(far: FarMachine, capsys: Captured) -> None:
    assert init(*HERE, "--dry-run", "--no-service", "--", "--name", "gpu one") == 0
    assert "--name 'gpu one'" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--engine", "vlm"], "--engine 'vlm' is not known: did you mean 'vllm'?"),
        (["--models", "llama"], "is no name of the hub"),
        (["--vllm-version", "0.1; reboot"], "--vllm-version '0.1; reboot': is no version"),
        (["--port", "0"], "Invalid value for '--port'"),
        (["--host", "no host"], "--host 'no host': is no address"),
        (["--venv", "a'b"], "systemd starts nothing from a path with"),
        (["--study", "nowhere.yaml"], "nowhere.yaml"),
        (["--models", "a/b", "--env-file", "nowhere"], "there is no such file"),
        (["--", "--port", "1"], "give it before the --"),
        (["--", "--nmae", "x"], "No such option: --nmae"),
        (["--json", "no/such/file"], "there is no folder no/such"),
    ],
)
def test_mistakes_are_one_line_and_status_2(
    far: FarMachine, capsys: Captured, words: list[str], said: str
) -> None:
    assert init(*words) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert far.typed() == []


def test_a_settings_file_that_nobody_named_may_be_for_something_else(
    far: FarMachine, capsys: Captured
) -> None:
    (far.home / ".env").write_text("SOMETHING=else\n")
    words = [*HERE, "--no-service", "--models", "a/b-999999B", "--json", "-"]
    assert init(*words) == 1
    steps = json.loads(capsys.readouterr().out)["steps"]
    assert {s["name"]: s["state"] for s in steps}["model a/b-999999B"] in ("failed", "not tried")


# Surroundings


@pytest.mark.parametrize(
    ("files", "environment", "found"),
    [
        (["run/systemd/system/x"], {}, ("", "", True)),
        ([], {}, ("", "", False)),
        ([".dockerenv"], {}, ("docker", "", False)),
        (["run/.containerenv"], {}, ("podman", "", False)),
        ([], {"APPTAINER_CONTAINER": "x.sif"}, ("apptainer", "", False)),
        ([], {"container": "lxc"}, ("lxc", "", False)),
        (["run/systemd/system/x"], {"SLURM_JOB_ID": "17"}, ("", "job 17", True)),
    ],
)
def test_the_surroundings_are_recognised(
    tmp_path: Path, files: list[str], environment: dict[str, str], found: tuple[str, str, bool]
) -> None:
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    around = find_surroundings(environment, tmp_path)
    assert (around.container, around.slurm, around.systemd) == found
    assert bool(around.where) == (found != ("", "", True))


def test_the_user_knows_better(tmp_path: Path) -> None:
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    assert find_surroundings({}, tmp_path, container=True).where.startswith("this container")
    assert "asked for" in find_surroundings({}, tmp_path, slurm=True).where


# What pip is asked for


def test_this_joulebench_is_what_is_installed_elsewhere() -> None:
    assert own_source() in (ROOT.as_uri(), f"joulebench=={__version__}")
    assert source_named(str(ROOT)) == ROOT.as_uri()
    assert source_named("joulebench==1.0") == "joulebench==1.0"


@pytest.mark.parametrize(
    ("source", "asked"),
    [
        ("joulebench==1.0", "joulebench[testbed]==1.0"),
        ("joulebench", "joulebench[testbed]"),
        ("file:///a/b", "joulebench[testbed] @ file:///a/b"),
        ("git+https://x.example/y@1", "joulebench[testbed] @ git+https://x.example/y@1"),
    ],
)
def test_pip_is_asked_for_the_server_too(
    far: FarMachine, tmp_path: Path, source: str, asked: str
) -> None:
    import shlex
    from dataclasses import replace

    places = replace(far.choices().places, venv=tmp_path / "venv")
    choices = with_options(far.choices(), places=places, source=source)
    assert shlex.split(environment_step(choices).lines[-1].text)[-1] == asked


@pytest.mark.parametrize(
    ("version", "older"), [("0.11.0", True), ("0.19.0", True), ("0.19.1", False), ("1.0", False)]
)
def test_an_old_vllm_gets_the_transformers_it_knows(
    far: FarMachine, version: str, older: bool
) -> None:
    choices: Any = with_options(far.choices(), engine="vllm", vllm_version=version)
    text = engine_step(choices).lines[0].text
    assert f"vllm=={version}" in text
    assert ("transformers<5" in text) == older


def test_an_environment_that_cannot_be_made_names_the_package(tmp_path: Path) -> None:
    step = environment_step(FarMachine(tmp_path / "machine").choices())
    assert "-venv" in step.hint(
        "The virtual environment was not created: ensurepip is not available"
    )
    assert "reached" in step.hint("Temporary failure in name resolution")
    assert step.hint("something else") == ""


def test_the_server_takes_the_line_that_starts_it(far: FarMachine) -> None:
    from joulebench.bootstrap.unit import serve_words
    from joulebench.cli import verb

    choices = far.choices(options=("--name", "gpu"))
    _, group, name, *options = serve_words(choices)
    assert (group, name) == ("testbed", "serve")
    given = verb("testbed serve").make_context("serve", options).params
    assert given["token_file"] == choices.places.token_file
    assert given["state"] == choices.places.state
    assert (given["host"], given["port"], given["name"]) == ("0.0.0.0", 8020, "gpu")
