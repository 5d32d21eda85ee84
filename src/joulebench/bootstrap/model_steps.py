"""Downloads models with the hub's own tool."""

from __future__ import annotations

from joulebench.bootstrap.choices import Choices, Model
from joulebench.bootstrap.hub_cache import bytes_by_name, free_bytes, snapshot_of
from joulebench.bootstrap.hub_token import NAME
from joulebench.bootstrap.line import Line, words
from joulebench.bootstrap.python_steps import hub_tool
from joulebench.bootstrap.step import Step

_SPARE = 1.05
"""Tokenisers and files beside the weights, relative."""

_SECOND_COPY = "original/*"
"""Some makers publish the same weights a second time, in a form that no engine here reads."""

_UNREACHED = ("name or service", "name resolution", "cannot reach", "connection", "offline mode")
"""What is said, in small letters, where there is no way to the hub."""


def model_steps(choices: Choices) -> list[Step]:
    """Give one step a model."""
    if not choices.models:
        return [Step("models", skip="none were asked for (--models NAME,... or --study FILE)")]
    return [_step(choices, model) for model in choices.models]


def _step(choices: Choices, model: Model) -> Step:
    cache = choices.places.cache

    def done() -> str:
        found = snapshot_of(cache, model)
        return f"all its weights are in {found}" if found else ""

    def hinder() -> str:
        return _no_room(choices, model)

    revision = ("--revision", model.revision) if model.revision else ()
    typed = words(
        *(hub_tool(choices), "download", model.name, *revision),
        *("--exclude", _SECOND_COPY, "--quiet"),
    )
    return Step(
        f"model {model}",
        (Line(typed, hub=True),),
        done,
        needs=("hub tool",),
        hinder=hinder,
        hint=lambda said: _hint(model, said),
    )


def _no_room(choices: Choices, model: Model) -> str:
    need = bytes_by_name(model.name)
    place, free = free_bytes(choices.places.cache)
    if need is None or free >= _SPARE * need:
        return ""
    return (
        f"it takes about {_SPARE * need / 1e9:.0f} GB, by the parameters in its name at 16 bits, "
        f"and {place} has {free / 1e9:.1f} GB free; make room, or set HF_HOME to another disk"
    )


def _hint(model: Model, said: str) -> str:
    text = said.casefold()
    if any(words in text for words in _UNREACHED):
        return "the hub cannot be reached; mend the network and type the same again"
    if "gated" in text or "403" in text or "restricted" in text:
        return (
            f"accept its licence at https://huggingface.co/{model.name} with the account that the "
            "token belongs to, and type the same again"
        )
    if "401" in text or "invalid" in text or "unauthorized" in text:
        return (
            f"give a token that may read it: set {NAME}, name a file with --env-file, or type "
            "'hf auth login'; then type the same again"
        )
    if "404" in text or "not found" in text:
        return f"see whether https://huggingface.co/{model.name} exists, and its revision"
    if "no space left" in text:
        return "make room, or set HF_HOME to another disk; what is downloaded stays"
    return "type the same again: the hub's tool goes on where it stopped"
