"""The hub: where its token comes from, what is downloaded already, how a download is asked for."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from far_machine import FarMachine, run_steps, with_options

from joulebench.bootstrap.choices import Choices, Model, models_named
from joulebench.bootstrap.hub_cache import bytes_by_name, snapshot_of
from joulebench.bootstrap.hub_token import HubToken, find_token, login_secret
from joulebench.bootstrap.model_steps import model_steps
from joulebench.bootstrap.perform import Shell
from joulebench.bootstrap.redaction import redact
from joulebench.errors import UsageError

SECRET = "hf_" + "NobodyMaySeeThis" + "42"


def settings(folder: Path, text: str) -> Path:
    file = folder / ".env"
    file.write_text(text)
    file.chmod(0o600)
    return file


@pytest.mark.parametrize(
    "text",
    [
        f"HF_TOKEN={SECRET}",
        f"A=1\n  export HF_TOKEN = '{SECRET}'  \n",
        f'HF_TOKEN="{SECRET}" # mine\n',
        f"HF_TOKEN={SECRET} # mine",
        f"HUGGING_FACE_HUB_TOKEN={SECRET}\r\n",
    ],
)
def test_a_settings_file_gives_the_token(tmp_path: Path, text: str) -> None:
    found = find_token({}, settings(tmp_path, text), tmp_path)
    assert (found.value, found.notes) == (SECRET, ())
    assert SECRET not in repr(found)


def test_the_environment_goes_first_and_the_login_last(tmp_path: Path) -> None:
    file = settings(tmp_path, f"HF_TOKEN={SECRET}")
    assert find_token({"HF_TOKEN": "hf_other"}, file, tmp_path).value == "hf_other"
    assert find_token({}, None, tmp_path) == HubToken("", "")
    (tmp_path / "token").write_text(SECRET)
    login = find_token({}, None, tmp_path)
    assert login.value == ""  # the hub's tool reads it itself
    assert login.source == f"the hub's own login ({tmp_path / 'token'})"
    assert login_secret({}, tmp_path) == SECRET


@pytest.mark.parametrize(
    ("text", "said"),
    [("A=1\n", "has no line HF_TOKEN="), (f"HF_TOKEN='{SECRET} x'", "is no token")],
)
def test_a_settings_file_without_a_token_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        find_token({}, settings(tmp_path, text), tmp_path)
    assert SECRET not in str(caught.value)
    with pytest.raises(UsageError, match="there is no such file"):
        find_token({}, tmp_path / "nowhere", tmp_path)


def git(folder: Path, *words: str) -> None:
    subprocess.run(["git", "-C", str(folder), *words], check=True, stdout=subprocess.DEVNULL)


def test_git_decides_whether_a_settings_file_is_taken(tmp_path: Path) -> None:
    file = settings(tmp_path, f"HF_TOKEN={SECRET}")
    git(tmp_path, "init", "-q")
    [note] = find_token({}, file, tmp_path).notes
    assert "git does not ignore" in note
    (tmp_path / ".gitignore").write_text(".env\n")
    assert find_token({}, file, tmp_path).notes == ()
    git(tmp_path, "add", "-f", ".env")
    with pytest.raises(UsageError, match="git tracks it") as caught:
        find_token({}, file, tmp_path)
    assert SECRET not in str(caught.value)


def test_a_settings_file_that_others_may_read_is_warned_of(tmp_path: Path) -> None:
    file = settings(tmp_path, f"HF_TOKEN={SECRET}")
    file.chmod(0o640)
    [note] = find_token({}, file, tmp_path).notes
    assert note == f"{file} can be read by others: chmod 600 {file}"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"token {SECRET}!", "token ***!"),
        ("hf_abcdefghijkl in the middle", "*** in the middle"),
        ("Authorization: Bearer abc.def-ghi", "Authorization: Bearer ***"),
        ("https://me:word@index.example/simple", "https://***@index.example/simple"),
        ("a long-secret-of-mine b", "a *** b"),
        ("nothing to hide in hf_hub_download", "nothing to hide in hf_hub_download"),
    ],
)
def test_secrets_are_taken_out_of_what_is_shown(text: str, shown: str) -> None:
    assert redact(text, ("long-secret-of-mine", "", "long")) == shown


# What a line is given


def test_only_lines_that_need_it_are_given_the_token(tmp_path: Path) -> None:
    from joulebench.bootstrap.line import Line

    shell = Shell({"PATH": "/usr/bin:/bin", "HF_TOKEN": "hf_of_the_environment"}, SECRET)
    with_it, without = Line('test "$HF_TOKEN" = ' + SECRET, hub=True), Line('test -z "$HF_TOKEN"')
    assert shell.run(with_it)[0] == 0
    assert shell.run(without)[0] == 0
    assert shell.run(Line("echo $HF_TOKEN; exit 7", hub=True)) == (7, ("***",))
    assert SECRET not in repr(shell)


def test_colours_and_odd_characters_are_taken_out_of_what_is_shown() -> None:
    from joulebench.bootstrap.line import Line

    shell = Shell({"PATH": "/usr/bin:/bin"})
    said = shell.run(Line("printf '\\033[90mgrey\\033[0m\\a!\\rover\\n\\n'"))
    assert said == (0, ("grey !", "over"))


# What is there already


def downloaded(cache: Path, *names: str, revision: str = "main") -> Path:
    folder = cache / "models--a--b"
    snapshot = folder / "snapshots" / "0123"
    snapshot.mkdir(parents=True)
    for name in names:
        (snapshot / name).write_text("{}")
    (folder / "refs").mkdir()
    (folder / "refs" / revision).write_text("0123")
    return snapshot


def test_a_model_with_all_its_weights_is_there(tmp_path: Path) -> None:
    snapshot = downloaded(tmp_path, "config.json", "model.safetensors")
    assert snapshot_of(tmp_path, Model("a/b")) == snapshot
    assert snapshot_of(tmp_path, Model("a/b", "main")) == snapshot
    assert snapshot_of(tmp_path, Model("a/b", "0123")) == snapshot
    assert snapshot_of(tmp_path, Model("a/b", "v2")) is None
    assert snapshot_of(tmp_path, Model("a/c")) is None


@pytest.mark.parametrize(
    ("names", "whole"),
    [
        (["config.json"], False),
        (["model-00001-of-00002.safetensors"], False),
        (["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"], True),
        (["weights.gguf"], True),
    ],
)
def test_a_model_without_some_of_its_weights_is_not_there(
    tmp_path: Path, names: list[str], whole: bool
) -> None:
    downloaded(tmp_path, *names)
    assert (snapshot_of(tmp_path, Model("a/b")) is not None) == whole


def test_the_index_of_a_model_says_what_is_missing(tmp_path: Path) -> None:
    snapshot = downloaded(tmp_path, "one.safetensors")
    index = {"weight_map": {"x": "one.safetensors", "y": "two.safetensors"}}
    (snapshot / "model.safetensors.index.json").write_text(json.dumps(index))
    assert snapshot_of(tmp_path, Model("a/b")) is None
    (snapshot / "two.safetensors").symlink_to(snapshot / "blob-that-is-not-there")
    assert snapshot_of(tmp_path, Model("a/b")) is None
    (snapshot / "blob-that-is-not-there").touch()
    assert snapshot_of(tmp_path, Model("a/b")) == snapshot


@pytest.mark.parametrize(
    ("name", "gigabytes"),
    [
        ("meta-llama/Llama-3.1-8B-Instruct", 16.0),
        ("meta-llama/Llama-2-7b-chat-hf", 14.0),
        ("HuggingFaceTB/SmolLM2-135M", 0.27),
        ("mistralai/Mixtral-8x7B-v0.1", 112.0),
        ("openai-community/gpt2", None),
        ("7B/nameless", None),
    ],
)
def test_a_models_name_tells_its_size(name: str, gigabytes: float | None) -> None:
    found = bytes_by_name(name)
    assert found == (None if gigabytes is None else pytest.approx(gigabytes * 1e9))


# Names


def test_models_are_named_with_commas_and_revisions() -> None:
    named = models_named(["a/b,c/d@v1.0", "a/b", " e/f@refs/pr/1 "])
    assert named == (Model("a/b"), Model("c/d", "v1.0"), Model("e/f", "refs/pr/1"))


@pytest.mark.parametrize(
    "name", ["b", "a/b/c", "--token/x", "a/-b", "a/b@", "a/b@-x", "../x", "a/..b"]
)
def test_what_is_no_name_of_the_hub_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="is no name of the hub"):
        models_named([name])


# Downloads


def wanted(tmp_path: Path, *models: str) -> tuple[FarMachine, Choices]:
    far = FarMachine(tmp_path / "machine")
    choices = with_options(far.choices(), models=models_named(models))
    venv = tmp_path / "venv"
    return far, with_options(choices, places=replace(choices.places, venv=venv))


def test_a_download_names_model_and_revision_and_no_token(tmp_path: Path) -> None:
    _, choices = wanted(tmp_path, "a/b@v1")
    [step] = model_steps(choices)
    [line] = step.lines
    tool = tmp_path / "venv/bin/hf"
    assert line.text == f"{tool} download a/b --revision v1 --exclude 'original/*' --quiet"
    assert line.hub


def test_a_model_that_does_not_fit_the_disk_is_not_begun(tmp_path: Path) -> None:
    far, choices = wanted(tmp_path, "a/b-999999B", "a/c-1M")
    found = run_steps(model_steps(choices), far.shell())
    big, small = found["model a/b-999999B"], found["model a/c-1M"]
    assert big.state == "failed"
    assert "takes about 2099998 GB" in big.why
    assert "set HF_HOME to another disk" in big.why
    assert "exit status 127" in small.why  # it was tried; there is no tool


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ("403 Client Error: you are not in the authorized list. Gated repo", "accept its licence"),
        ("401 Client Error. Invalid credentials", "give a token that may read it"),
        ("404 Client Error. Repository Not Found", "see whether https://huggingface.co/a/b-1M"),
        ("OSError: [Errno 28] No space left on device", "make room"),
        (
            "Local entry not found. [Errno -2] Name or service not known",
            "the hub cannot be reached",
        ),
        ("Read timed out", "type the same again"),
    ],
)
def test_a_failed_download_says_what_to_do(tmp_path: Path, said: str, advice: str) -> None:
    far, choices = wanted(tmp_path, "a/b-1M")
    tool = tmp_path / "venv/bin/hf"
    tool.parent.mkdir(parents=True)
    tool.write_text(f"#!/bin/sh\n# Stands in for the hub's tool: fails.\necho '{said}'\nexit 1\n")
    tool.chmod(0o755)
    [result] = run_steps(model_steps(choices), far.shell()).values()
    assert result.state == "failed"
    assert result.output == (said,)
    assert result.remedy.startswith(advice)


def test_the_venv_of_this_python_is_recognised(tmp_path: Path) -> None:
    from joulebench import __version__
    from joulebench.bootstrap.installed import installed_version, missing_packages

    assert installed_version(Path(sys.prefix), "joulebench") == __version__
    assert missing_packages(Path(sys.prefix), ["joulebench", "no-such-package"]) == [
        "no-such-package"
    ]
    site = tmp_path / "lib/python3.11/site-packages/vllm-9.9.dist-info"
    site.mkdir(parents=True)
    (site / "METADATA").write_text("Metadata-Version: 2.1\nName: vllm\nVersion: 9.9\n")
    assert installed_version(tmp_path, "vllm") == "9.9"
    assert installed_version(tmp_path, "joulebench") == ""
