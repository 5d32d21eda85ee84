"""Setting up a machine that lies in a folder: what is done, what is left, what a dry run says."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from far_machine import FarMachine, run_steps, with_options

from joulebench.bootstrap.service_steps import by_hand
from joulebench.bootstrap.steps import all_steps, script
from joulebench.bootstrap.unit import NAME, serve_words, unit_text
from joulebench.meters.rapl_counters import grant


@pytest.fixture
def far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FarMachine:
    found = FarMachine(tmp_path / "machine")
    monkeypatch.setenv("PATH", found.environment["PATH"])
    return found


def states(far: FarMachine, **service: object) -> dict[str, str]:
    return {name: r.state for name, r in far.set_up(far.choices(**service)).items()}


def test_a_machine_is_set_up_and_then_left_alone(far: FarMachine) -> None:
    counters = far.counters()
    found = states(far)
    assert {name for name, state in found.items() if state == "done"} == {
        "rapl", "token", "service", "after logout",
    }  # fmt: skip
    assert all(file.stat().st_mode & 0o004 for file in counters)
    before, typed = far.files(), len(far.typed())
    again = far.set_up(far.choices())
    assert {result.state for result in again.values()} == {"skipped"}
    assert all(result.why for result in again.values())
    assert far.files() == before
    assert far.typed()[typed:] == [f"systemctl --user is-active --quiet {NAME}"]


def test_the_service_is_set_up_again_where_it_does_not_run(far: FarMachine) -> None:
    states(far)
    (far.root / "active").unlink()
    assert states(far)["service"] == "done"


def test_another_port_renews_the_service_and_keeps_the_token(far: FarMachine) -> None:
    states(far)
    token = (far.home / ".config/joulebench/testbed.token").read_text()
    found = states(far, port=9000)
    assert (found["service"], found["token"]) == ("done", "skipped")
    assert "--port 9000" in (far.home / ".config/systemd/user" / NAME).read_text()
    assert (far.home / ".config/joulebench/testbed.token").read_text() == token


def test_a_dry_run_runs_nothing_and_changes_nothing(far: FarMachine) -> None:
    far.counters()
    before = far.files()
    text = script(all_steps(far.choices(), far.around), sudo=True)
    assert far.files() == before
    assert far.typed() == []
    assert grant(far.root / "sys/class/powercap") in text.splitlines()


def test_a_dry_run_says_what_is_done_already(far: FarMachine) -> None:
    far.counters()
    far.set_up(far.choices())
    text = script(all_steps(far.choices(), far.around), sudo=True)
    lines = [line for line in text.splitlines() if line]
    assert len(lines) == 10
    assert all(line.startswith("# ") and ": skipped: " in line for line in lines)


def test_counters_that_can_be_read_today_are_opened_for_tomorrow(far: FarMachine) -> None:
    far.counters(0o444)
    assert far.set_up(far.choices())["rapl"].state == "done"
    rule = (far.root / "etc/udev/rules.d/70-joulebench-rapl.rules").read_text()
    [line] = [line for line in rule.splitlines() if not line.startswith("#")]
    assert 'SUBSYSTEM=="powercap", KERNEL=="intel-rapl*", TEST=="energy_uj"' in line
    assert line.endswith('RUN+="/bin/chmod a+r $sys$devpath/energy_uj"')


def test_what_a_dry_run_prints_does_the_same_when_it_is_typed(
    far: FarMachine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = FarMachine(tmp_path / "another")
    for each in (far, other):
        each.counters()
    far.set_up(far.choices())
    text = script(all_steps(other.choices(), other.around), sudo=True)
    subprocess.run(["sh", "-e", "-c", text], env=other.environment, check=True)

    def comparable(machine: FarMachine) -> dict[str, tuple[bytes, int]]:
        here = str(machine.root).encode()
        files = machine.files()
        files["home/.config/joulebench/testbed.token"] = (b"", 0o600)  # drawn by chance
        return {k: (content.replace(here, b""), mode) for k, (content, mode) in files.items()}

    assert comparable(far) == comparable(other)
    asked = [line for line in far.typed() if "is-active" not in line and "-n true" not in line]
    here, there = str(far.root), str(other.root)
    assert [line.replace(here, "") for line in asked] == [
        line.replace(there, "") for line in other.typed()
    ]


def test_without_root_the_lines_are_left_to_somebody_who_has_it(far: FarMachine) -> None:
    counters = far.counters()
    far.stand_in("sudo", "exit 1\n")
    found = far.set_up(far.choices())
    assert found["rapl"].state == "needs root"
    assert found["rapl"].typed[0] == grant(far.root / "sys/class/powercap")
    assert found["rapl"].typed[1].startswith("sudo install -D -m 0644 /dev/stdin ")
    assert "\nEND_OF_FILE" in found["rapl"].typed[1]
    assert found["service"].state == "done"
    assert found["after logout"].typed == ("sudo loginctl enable-linger somebody",)
    assert not any(file.stat().st_mode & 0o004 for file in counters)
    assert not [line for line in far.typed() if line.startswith("sudo ") and "-n true" not in line]


def test_root_is_not_asked_for_where_nothing_needs_it(far: FarMachine) -> None:
    far.set_up(far.choices(wanted=False))
    assert far.typed() == []


def test_a_step_that_fails_leaves_those_that_need_it_and_no_others(far: FarMachine) -> None:
    choices = with_options(far.choices(), places=replace(far.choices().places, token_file=far.home))
    found = far.set_up(choices)
    assert found["token"].state == "failed"
    assert "is a folder" in found["token"].why
    assert (found["service"].state, found["service"].why) == ("not tried", "it needs: token")
    assert found["after logout"].state == "not tried"


def test_a_service_that_does_not_start_says_what_it_said(far: FarMachine) -> None:
    far.stand_in("systemctl", '[ "$2" != restart ] || { echo the reason; exit 3; }\n')
    found = far.set_up(far.choices())["service"]
    assert found.state == "failed"
    assert found.why == f"exit status 3 of: systemctl --user restart {NAME}"
    assert found.output == ("the reason",)
    assert f"journalctl --user --unit {NAME}" in found.remedy


def test_a_step_whose_result_is_not_there_has_failed(far: FarMachine) -> None:
    far.stand_in("loginctl")
    found = far.set_up(far.choices())["after logout"]
    assert found.state == "failed"
    assert "is not there" in found.why


# Places


@pytest.mark.parametrize("place", ["container", "slurm"])
def test_in_a_container_and_on_a_cluster_there_is_no_service(far: FarMachine, place: str) -> None:
    far.counters()
    around = replace(far.around, systemd=False)
    if place == "container":
        around = replace(around, container="docker")
    else:
        around = replace(around, slurm="job 17")
    found = far.set_up(far.choices(), around)
    serve = shlex.join(serve_words(far.choices()))
    assert found["service"].state == "skipped"
    assert found["service"].why.endswith(f"start it with: {serve}")
    assert found["rapl"].state == "skipped"
    assert grant(far.root / "sys/class/powercap") in found["rapl"].why
    assert found["token"].state == "done"
    assert far.typed() == []


def test_on_the_login_node_of_a_cluster_a_job_is_the_way(far: FarMachine) -> None:
    line = by_hand(far.choices(), replace(far.around, slurm="asked for"))
    words = shlex.split(line)
    assert words[0] == "sbatch"
    assert "--exclusive" in words
    assert shlex.split(words[words.index("--wrap") + 1]) == ["exec", *serve_words(far.choices())]


def test_counters_that_can_be_read_in_a_container_are_no_matter(far: FarMachine) -> None:
    far.counters(0o444)
    rule = far.root / "etc/udev/rules.d/70-joulebench-rapl.rules"
    found = far.set_up(far.choices(), replace(far.around, container="docker", systemd=False))
    assert found["rapl"].why == "2 energy counters can be read by somebody"
    assert not rule.exists()


def test_sensors_are_left_where_that_is_asked_for(far: FarMachine) -> None:
    far.counters()
    found = far.set_up(with_options(far.choices(), sensors=False))
    assert found["rapl"].why == "--no-sensors"


def test_a_group_may_ask_the_service_processor(far: FarMachine) -> None:
    (far.root / "dev").mkdir()
    (far.root / "dev/ipmi0").touch()
    group = far.root / "etc/group"
    far.stand_in("groupadd")
    far.stand_in("usermod", f"mkdir -p {group.parent}; echo ipmi:x:99:somebody > {group}\n")
    far.stand_in("chgrp")
    wanted = with_options(far.choices(), ipmi=True)
    assert far.set_up(far.choices())["ipmi"].state == "skipped"
    assert far.set_up(wanted)["ipmi"].state == "done"
    assert (far.root / "dev/ipmi0").stat().st_mode & 0o777 == 0o660
    assert f"chgrp ipmi {far.root}/dev/ipmi0" in far.typed()
    assert far.set_up(wanted)["ipmi"].state == "skipped"


def test_energibridge_is_built_where_there_is_rust(far: FarMachine) -> None:
    wanted = with_options(far.choices(), energibridge=True)
    without = far.set_up(wanted)
    assert without["energibridge"].state == "failed"
    assert "cargo is not installed" in without["energibridge"].why
    assert without["energibridge rights"].state == "not tried"
    far.stand_in("cargo", f"touch {far.root}/programs/energibridge\n"
                          f"chmod 755 {far.root}/programs/energibridge\n")  # fmt: skip
    found = far.set_up(wanted, replace(far.around, container="docker"))
    assert found["energibridge"].state == "done"
    assert any(
        line == "cargo install --git https://github.com/tdurieux/EnergiBridge --tag v0.0.7"
        for line in far.typed()
    )
    assert "sudo setcap cap_sys_rawio=ep" in found["energibridge rights"].why


# The token of the testbed


def test_a_token_is_drawn_once_and_only_its_owner_may_read_it(far: FarMachine) -> None:
    file = far.home / ".config/joulebench/testbed.token"
    states(far)
    assert len(bytes.fromhex(file.read_text())) == 32
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert [each.name for each in file.parent.iterdir()] == [file.name]


def test_a_token_that_others_may_read_is_closed_and_kept(far: FarMachine) -> None:
    file = far.home / ".config/joulebench/testbed.token"
    file.parent.mkdir(parents=True)
    file.write_text("x" * 40)
    file.chmod(0o644)
    assert states(far)["token"] == "done"
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("x" * 40, 0o600)


def test_a_token_that_can_be_guessed_is_refused(far: FarMachine) -> None:
    file = far.home / ".config/joulebench/testbed.token"
    file.parent.mkdir(parents=True)
    file.write_text("secret\n")
    found = far.set_up(far.choices())["token"]
    assert found.state == "failed"
    assert "fewer than 32 characters" in found.why
    assert file.read_text() == "secret\n"


# The unit


@pytest.mark.parametrize("scope", ["user", "system"])
@pytest.mark.parametrize("name", ["machine", "odd % $HOME ñame"])
def test_systemd_takes_the_unit(
    tmp_path: Path, scope: str, name: str, program: Callable[..., str]
) -> None:
    far = FarMachine(tmp_path / name)
    venv = tmp_path / name / "venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin/joulebench").symlink_to("/bin/true")
    choices = far.choices(scope=scope)
    choices = with_options(choices, places=replace(choices.places, venv=venv))
    around = replace(far.around, account="daemon")
    file = tmp_path / NAME
    file.write_text(unit_text(choices, around, registers=True))
    checked = subprocess.run(
        [program("systemd-analyze"), "verify", str(file)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    about = [line for line in checked.stderr.splitlines() if NAME.partition(".")[0] in line]
    assert about == []
    [start] = [line for line in file.read_text().splitlines() if line.startswith("ExecStart=")]
    written = shlex.split(start.removeprefix("ExecStart="))
    program_path, *options = [word.replace("%", "%%") for word in serve_words(choices)]
    # systemd looks for variables in the words after the program, and not in its path.
    assert written == [program_path, *(word.replace("$", "$$") for word in options)]


def test_the_verification_finds_a_mistake(tmp_path: Path, program: Callable[..., str]) -> None:
    program("systemd-analyze")
    far = FarMachine(tmp_path / "machine")  # its home has no environment, so nothing to start
    places = replace(far.choices().places, venv=tmp_path / "nowhere")
    choices = with_options(far.choices(scope="system"), places=places)
    steps = [step for step in all_steps(choices, far.around) if step.name in ("token", "service")]
    found = run_steps([replace(step, needs=()) for step in steps], far.shell())["service"]
    assert found.state == "failed"
    assert "systemd-analyze verify" in found.why
    assert "is not executable" in " ".join(found.output)
    assert not any("enable" in line for line in far.typed())


def test_the_unit_is_hardened_and_leaves_devices_and_sensors_open(far: FarMachine) -> None:
    text = unit_text(far.choices(scope="system"), far.around, registers=False)
    lines = text.splitlines()
    for key in ("NoNewPrivileges=yes", "ProtectSystem=strict", "PrivateTmp=yes", "UMask=0077"):
        assert key in lines
    assert "CapabilityBoundingSet=" in lines
    assert "User=somebody" in lines
    # Each of these would close the device files of accelerators, or the counters below /sys.
    closing = ("PrivateDevices", "DevicePolicy", "DeviceAllow", "ProtectClock=", "ProcSubset")
    assert not [line for line in lines if line.startswith(closing)]
    [writable] = [line for line in lines if line.startswith("ReadWritePaths=")]
    assert str(far.choices().places.state) in writable
    registers = unit_text(far.choices(scope="system"), far.around, registers=True)
    assert "AmbientCapabilities=CAP_SYS_RAWIO" in registers


def test_no_secret_is_in_the_unit(far: FarMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secretsecretsecret")
    states(far)
    token = (far.home / ".config/joulebench/testbed.token").read_text()
    text = (far.home / ".config/systemd/user" / NAME).read_text()
    assert token not in text
    assert "hf_secret" not in text
