"""scripts/init_env.sh against a real OpenSSH server on loopback, with a folder as package index."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from made_wheels import ROOT, joulebench_wheel, lending_python, lent_packages, stand_ins
from sshd_real import RealSshd
from token_watch import TokenWatch, files_with

SCRIPT = ROOT / "scripts/init_env.sh"
TOKEN = "hf_" + "DoNotShowThisToAnybody" + "0123456789"
MODEL = "example/tiny-1M"


@dataclass
class Machine:
    """A machine that can be reached over ssh.

    Args:
        server: Its server.
        home: The user's home there.
        wheel: Joulebench, here.
        python: A Python there whose environments borrow packages.
    """

    server: RealSshd
    home: Path
    wheel: Path
    python: Path

    @property
    def venv(self) -> Path:
        return self.home / "venv"

    def words(self, *more: str) -> list[str]:
        where = ["-F", str(self.server.config), f"{self.server.user}@127.0.0.1"]
        what = ["--wheel", str(self.wheel), "--python", str(self.python), "--venv", str(self.venv)]
        own = ["--", "--container", "--token-file", str(self.home / "testbed.token")]
        return [*where, *what, *own, "--no-energibridge", *more]


def run_script(*words: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if k not in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")}
    return subprocess.run(
        ["sh", str(SCRIPT), *words],
        cwd=cwd,
        env={**kept, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory, program: Callable[..., str]) -> Iterator[Machine]:
    path = "/usr/sbin/sshd" if Path("/usr/sbin/sshd").exists() else program("openssh-server")
    folder = tmp_path_factory.mktemp("far")
    index, home = folder / "index", folder / "home"
    index.mkdir()
    home.mkdir()
    stand_ins(index)
    python = lending_python(folder / "python", lent_packages(folder / "lent"))
    environment = {
        "HOME": str(home),
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(index),
        "PIP_NO_CACHE_DIR": "1",
    }
    server = RealSshd(path, folder / "sshd", environment)
    try:
        yield Machine(server, home, joulebench_wheel(folder), python)
    finally:
        server.close()


@pytest.fixture(scope="module")
def first(
    far: Machine, tmp_path_factory: pytest.TempPathFactory
) -> tuple[subprocess.CompletedProcess[str], TokenWatch]:
    """The first set-up of a machine, watched."""
    here = tmp_path_factory.mktemp("here")
    (here / ".env").write_text(f"OTHER=1\nexport HF_TOKEN='{TOKEN}'\n")
    (here / ".env").chmod(0o600)
    with TokenWatch(TOKEN, kept_from=("pip", "venv/bin/python\0-m")) as watch:
        done = run_script(*far.words("--models", f"{MODEL}@main"), cwd=here)
    return done, watch


def test_a_machine_is_set_up_from_nothing(
    far: Machine, first: tuple[subprocess.CompletedProcess[str], TokenWatch]
) -> None:
    said = first[0].stdout
    assert first[0].returncode == 0, said
    for name in ("Wheel", "Python environment", "Joulebench", "engine", "token"):
        assert f"\n{name}: done\n" in f"\n{said}", said
    assert f"model {MODEL}@main: done" in said
    assert "service: skipped: this container is not run by systemd; start it with: " in said
    shown = subprocess.run(
        [far.venv / "bin/joulebench", "--version"], capture_output=True, text=True, check=True
    )
    assert shown.stdout.startswith("joulebench ")
    secret = (far.home / "testbed.token").read_text()
    assert len(secret) == 64
    assert secret not in said
    assert (far.home / "testbed.token").stat().st_mode & 0o777 == 0o600


def test_the_hubs_tool_alone_is_given_the_token(
    far: Machine, first: tuple[subprocess.CompletedProcess[str], TokenWatch]
) -> None:
    [noted] = [json.loads(line) for line in (far.home / "hf.jsonl").read_text().splitlines()]
    assert noted["token"] == hashlib.sha256(TOKEN.encode()).hexdigest()
    assert noted["words"][:4] == ["download", MODEL, "--revision", "main"]
    watch = first[1]
    assert any("hf download" in words for words in watch.looked_at)
    assert any("pip install" in words for words in watch.looked_at)
    assert watch.shown == set()


def test_the_token_is_nowhere(
    far: Machine, first: tuple[subprocess.CompletedProcess[str], TokenWatch]
) -> None:
    assert TOKEN not in first[0].stdout
    assert list(files_with(far.home.parent, TOKEN)) == []
    left = [
        file for place in Path("/tmp").glob("joulebench.*") for file in files_with(place, TOKEN)
    ]
    assert left == []


def test_a_second_time_there_is_nothing_to_do(
    far: Machine, first: tuple[subprocess.CompletedProcess[str], TokenWatch], tmp_path: Path
) -> None:
    secret = (far.home / "testbed.token").read_text()
    done = run_script(*far.words("--models", f"{MODEL}@main"), cwd=tmp_path, HF_TOKEN=TOKEN)
    assert done.returncode == 0, done.stdout
    assert "done" not in done.stdout
    states = [line.split(": ")[1] for line in done.stdout.splitlines() if ": " in line]
    assert states.count("skipped") >= 8
    assert (far.home / "testbed.token").read_text() == secret
    assert len((far.home / "hf.jsonl").read_text().splitlines()) == 1


def test_a_failed_step_says_what_and_leaves_the_others(
    far: Machine, first: tuple[subprocess.CompletedProcess[str], TokenWatch], tmp_path: Path
) -> None:
    words = far.words("--models", "gated/llama-1B,example/other-1M")
    done = run_script(*words, cwd=tmp_path, HF_TOKEN=TOKEN)
    assert done.returncode == 1
    assert "model gated/llama-1B: failed: exit status 1 of: " in done.stdout
    assert "  | 403: gated/llama-1B is gated; *** may not read it" in done.stdout
    assert "  do: accept its licence at https://huggingface.co/gated/llama-1B" in done.stdout
    assert "model example/other-1M: done" in done.stdout
    assert TOKEN not in done.stdout


def test_another_build_of_the_same_version_is_installed(
    far: Machine, first: tuple[subprocess.CompletedProcess[str], TokenWatch], tmp_path: Path
) -> None:
    import zipfile

    other = tmp_path / far.wheel.name
    shutil.copy(far.wheel, other)
    with zipfile.ZipFile(other, "a") as archive:
        archive.writestr("joulebench/another_build.py", "")
    words = [str(other) if word == str(far.wheel) else word for word in far.words()]
    done = run_script(*words, cwd=tmp_path)
    assert "Joulebench: done" in done.stdout, done.stdout
    assert list(far.venv.glob("lib/python3*/site-packages/joulebench/another_build.py"))


def test_a_dry_run_asks_nobody_and_shows_all_but_the_token(tmp_path: Path) -> None:
    words = ["--dry-run", "-p", "2", "nobody@nowhere.invalid", "--from", "joulebench==0.1.0"]
    done = run_script(*words, "--", "--models", "a/b c's", cwd=tmp_path, HF_TOKEN=TOKEN)
    assert done.returncode == 0
    assert "ssh -p '2' nobody@nowhere.invalid sh -s < TEXT" in done.stdout
    assert "token=(from the environment; never shown)" in done.stdout
    assert "set -- '--models' 'a/b c'\\''s'" in done.stdout
    assert '"$venv/bin/joulebench" testbed init' in done.stdout
    assert TOKEN not in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "name a machine"),
        (["me@here", "--models", "x"], "--models is not known"),
        (["me@here", "you@there"], "there are two machines"),
        (["me@here", "--wheel"], "--wheel needs a value"),
        (["me@here", "--wheel", "nowhere.whl"], "there is no such file"),
        (["me@here", "--venv", "relative"], "give an absolute folder"),
        (["me@here", "--env-file", "nowhere"], "there is no such file"),
    ],
)
def test_mistakes_are_one_line(words: list[str], said: str, tmp_path: Path) -> None:
    done = run_script(*words, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout.count("\n") == 1
    assert said in done.stdout


def test_a_token_with_odd_characters_is_refused_and_not_shown(tmp_path: Path) -> None:
    done = run_script("me@here", cwd=tmp_path, HF_TOKEN="hf_secret'; reboot; '")
    assert done.returncode == 2
    assert "is no token" in done.stdout
    assert "secret" not in done.stdout


def test_a_settings_file_that_git_tracks_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"HF_TOKEN={TOKEN}\n")
    for words in (["init", "-q"], ["add", "-f", ".env"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    done = run_script("--dry-run", "me@here", "--from", "joulebench==1", cwd=tmp_path)
    assert done.returncode == 2
    assert "git tracks it" in done.stdout
    assert TOKEN not in done.stdout


def test_a_settings_file_that_others_may_read_is_warned_of(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text(f'HF_TOKEN="{TOKEN}"\n')
    (tmp_path / "mine").chmod(0o644)
    words = ["--dry-run", "me@here", "--from", "joulebench==1", "--env-file", "mine"]
    done = run_script(*words, cwd=tmp_path)
    assert done.returncode == 0
    assert "mine can be read by others: chmod 600 mine" in done.stdout
    assert "token=(from mine; never shown)" in done.stdout


def test_the_script_is_posix_shell(program: Callable[..., str]) -> None:
    checked = subprocess.run(
        [program("shellcheck"), str(SCRIPT)], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout


def test_a_machine_out_of_reach_is_said_by_ssh(tmp_path: Path) -> None:
    began_s = time.monotonic()
    words = ["-F", "/dev/null", "-o", "BatchMode=yes", "-o", "ConnectTimeout=5", "-p", "1"]
    done = run_script(*words, "nobody@127.0.0.1", "--from", "joulebench==0", cwd=tmp_path)
    assert done.returncode == 255
    assert "Connection refused" in done.stdout
    assert time.monotonic() - began_s < 60
