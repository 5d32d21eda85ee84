"""Starts the testbed: as a service of systemd, or by a line that the user is told."""

from __future__ import annotations

from pathlib import Path

from joulebench.bootstrap.choices import Choices
from joulebench.bootstrap.line import Line, file_line, words
from joulebench.bootstrap.sensor_steps import holds
from joulebench.bootstrap.step import Step
from joulebench.bootstrap.surroundings import Surroundings
from joulebench.bootstrap.unit import NAME, serve_words, unit_text

_NEEDS = ("environment", "token")

_ADVICE = "see what is wrong with: {journal}; mend that and type the same again"


def service_steps(choices: Choices, around: Surroundings, *, registers: bool) -> list[Step]:
    """Give the steps that make the testbed a service.

    Args:
        choices: What is set up, and where.
        around: Where it is set up.
        registers: Whether EnergiBridge reads the processor's registers for it.
    """
    if choices.service.wanted is False:
        return [Step("service", skip=f"--no-service; start it with: {by_hand(choices, around)}")]
    if choices.service.wanted is None and around.where:
        reason = f"{around.where}; start it with: {by_hand(choices, around)}"
        return [Step("service", skip=reason)]
    steps = [_service(choices, around, unit_text(choices, around, registers=registers))]
    return steps if choices.service.scope == "system" else [*steps, _linger(around)]


def by_hand(choices: Choices, around: Surroundings) -> str:
    """Give the line that starts the testbed where nothing else does."""
    serve = words(*serve_words(choices))
    if not around.slurm.startswith("asked"):
        return serve
    return words(
        *("sbatch", "--job-name", "joulebench-testbed", "--exclusive", "--gres", "gpu:1"),
        *("--time", "08:00:00", "--wrap", f"exec {serve}"),
    )


def unit_file(choices: Choices, around: Surroundings) -> Path:
    """Give where the unit is put."""
    if choices.service.scope == "system":
        return around.tree / "etc/systemd/system" / NAME
    return around.home / ".config/systemd/user" / NAME


def _service(choices: Choices, around: Surroundings, text: str) -> Step:
    unit, system = unit_file(choices, around), choices.service.scope == "system"
    target = "multi-user.target" if system else "default.target"
    systemctl = "systemctl" if system else "systemctl --user"

    def done() -> str:
        enabled = (unit.parent / f"{target}.wants" / NAME).is_symlink()
        return f"{unit} is as it should be and enabled" if enabled and holds(unit, text) else ""

    # What it says of other units, and of keys that an old systemd does not know, is no obstacle.
    analyse = f"systemd-analyze {'' if system else '--user '}verify {words(unit)}"
    verify = f"! {analyse} 2>&1 | grep {NAME.partition('.')[0]} | grep -v ignoring"
    journal = f"journalctl {'' if system else '--user '}--unit {NAME}"
    lines = (
        Line(words("install", "-d", "-m", "0700", choices.places.state)),
        file_line(unit, text, root=system),
        Line(verify),
        Line(f"{systemctl} daemon-reload", root=system),
        Line(f"{systemctl} enable {NAME}", root=system),
        Line(f"{systemctl} restart {NAME}", root=system),
    )
    return Step(
        "service",
        lines,
        done,
        needs=_NEEDS,
        probe=Line(f"{systemctl} is-active --quiet {NAME}"),
        hint=_hint,
        advice=_ADVICE.format(journal=journal),
    )


def _hint(said: str) -> str:
    if "Failed to connect to bus" in said or "XDG_RUNTIME_DIR" in said:
        return (
            "log in as this user itself, not by su or sudo, so that its systemd runs; or type the "
            "same with --system"
        )
    return ""


def _linger(around: Surroundings) -> Step:
    """Keep a user's services running while the user is logged out."""
    marker = around.tree / "var/lib/systemd/linger" / around.account

    def done() -> str:
        return f"services of {around.account} outlive its logins" if marker.exists() else ""

    line = Line(words("loginctl", "enable-linger", around.account), root=True)
    return Step("after logout", (line,), done, needs=("service",))
