"""All steps of a set-up, in the order in which they are tried."""

from __future__ import annotations

from joulebench.bootstrap.choices import Choices
from joulebench.bootstrap.energibridge_steps import energibridge_steps
from joulebench.bootstrap.model_steps import model_steps
from joulebench.bootstrap.python_steps import engine_step, environment_step, hub_tool_step
from joulebench.bootstrap.sensor_steps import ipmi_step, rapl_step
from joulebench.bootstrap.service_steps import service_steps
from joulebench.bootstrap.step import Step
from joulebench.bootstrap.surroundings import Surroundings
from joulebench.bootstrap.token_step import token_step


def all_steps(choices: Choices, around: Surroundings) -> list[Step]:
    """Give the steps that set a machine up.

    Args:
        choices: What is set up, and where.
        around: Where it is set up.
    """
    bridge = energibridge_steps(choices, around)
    registers = any(step.name == "energibridge rights" and not step.skip for step in bridge)
    return [
        environment_step(choices),
        engine_step(choices),
        hub_tool_step(choices),
        *model_steps(choices),
        *bridge,
        rapl_step(choices, around),
        ipmi_step(around, wanted=choices.ipmi),
        token_step(choices),
        *service_steps(choices, around, registers=registers),
    ]


def script(steps: list[Step], *, sudo: bool) -> str:
    """Give what would be typed, as a shell script; what is not, and why, as its comments.

    Args:
        steps: The steps.
        sudo: Whether the user is not root.
    """
    return "\n".join(_shown(step, sudo=sudo) for step in steps)


def _shown(step: Step, *, sudo: bool) -> str:
    reason = step.skip or step.done()
    if reason:
        return f"# {step.name}: skipped: {reason}\n"
    hindered = step.hinder()
    head = [f"# {step.name}:"] + ([f"# would fail: {hindered}"] if hindered else [])
    return "\n".join([*head, *(line.shown(sudo=sudo) for line in step.lines), ""])
