"""The Python environment of a testbed, and the engine in it."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from joulebench import __version__
from joulebench.bootstrap.choices import Choices
from joulebench.bootstrap.installed import installed_version, missing_packages
from joulebench.bootstrap.line import Line, words
from joulebench.bootstrap.step import Step

_SERVER = ("fastapi", "uvicorn")
_TRANSFORMERS = ("transformers", "torch")

_BEFORE_TRANSFORMERS_5 = (0, 19, 1)
"""Versions of vLLM before this one fail with transformers 5, and some do not say so to pip."""


def environment_step(choices: Choices) -> Step:
    """Make a Python environment and install Joulebench with its server."""
    venv = choices.places.venv

    def done() -> str:
        version = installed_version(venv, "joulebench")
        if version != __version__ or missing_packages(venv, _SERVER):
            return ""
        return f"joulebench {version} with its server is in {venv}"

    make = Line(words(sys.executable, "-m", "venv", venv))
    install = Line(_pip(venv, _with_extras(choices.source, "testbed")))
    return Step(
        "environment",
        # An environment whose making failed half-way has a Python, but no pip.
        lines=(install,) if (venv / "bin/pip").exists() else (make, install),
        done=done,
        hint=_environment_hint,
    )


def engine_step(choices: Choices) -> Step:
    """Install what generates."""
    if choices.engine == "none":
        return Step("engine", skip="none was asked for")
    return _vllm(choices) if choices.engine == "vllm" else _transformers(choices)


def _vllm(choices: Choices) -> Step:
    venv, version = choices.places.venv, choices.vllm_version

    def done() -> str:
        there = installed_version(venv, "vllm") == version
        return f"vllm {version} is in {venv}" if there else ""

    older = _numbers(version) < _BEFORE_TRANSFORMERS_5
    asked = [f"vllm=={version}", *(["transformers<5"] if older else [])]
    line = Line(_pip(venv, *asked))
    return Step("engine", (line,), done, needs=("environment",), hint=_pip_hint)


def _transformers(choices: Choices) -> Step:
    venv = choices.places.venv

    def done() -> str:
        if missing_packages(venv, _TRANSFORMERS):
            return ""
        return f"transformers {installed_version(venv, 'transformers')} is in {venv}"

    line = Line(_pip(venv, _with_extras(choices.source, "testbed,transformers")))
    return Step("engine", (line,), done, needs=("environment",), hint=_pip_hint)


def hub_tool_step(choices: Choices) -> Step:
    """Install the hub's own tool, where no engine has brought it and models are wanted."""
    if not choices.models:
        return Step("hub tool", skip="no models were asked for")
    tool = hub_tool(choices)

    def done() -> str:
        return f"{tool} is there" if tool.exists() else ""

    line = Line(_pip(choices.places.venv, "huggingface_hub"))
    return Step("hub tool", (line,), done, needs=("environment",), hint=_pip_hint)


def hub_tool(choices: Choices) -> Path:
    """Give where the hub's own tool is, or will be."""
    return choices.places.venv / "bin" / "hf"


def _python(venv: Path) -> Path:
    return venv / "bin" / "python"


def _pip(venv: Path, *asked: str) -> str:
    quietly = ("--disable-pip-version-check", "--no-input", "--progress-bar", "off")
    return words(_python(venv), "-m", "pip", "install", *quietly, *asked)


def _with_extras(source: str, extras: str) -> str:
    """Ask for the extras of what pip installs: a requirement, a file, a folder, an address."""
    if "://" in source:
        return f"joulebench[{extras}] @ {source}"
    name, sign, rest = source.partition("==")
    return f"{name}[{extras}]{sign}{rest}"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])


def _environment_hint(said: str) -> str:
    if "ensurepip is not available" in said:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        return f"sudo apt-get install python{version}-venv, and type the same again"
    return _pip_hint(said)


def _pip_hint(said: str) -> str:
    if "No space left" in said:
        return "make room on the disk, or choose another with --venv, and type the same again"
    if "No matching distribution" in said or "Could not find a version" in said:
        return (
            "pip's index has none that suits this Python and machine; see the lines above, and "
            "choose another version or Python"
        )
    if re.search(r"Temporary failure|Connection|timed out|Name or service", said):
        return "the package index cannot be reached; mend the network and type the same again"
    return ""
