"""Builds an engine from its part of a study file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from joulebench.errors import UsageError
from joulebench.plugins import construct, load_plugin
from joulebench.work import Engine

GROUP = "joulebench.engines"


def build_engine(config: Mapping[str, Any], model: str | Mapping[str, Any]) -> Engine:
    """Build the engine that a configuration names, without loading its model.

    Args:
        config: ``{"kind": "transformers", "threads": 2, ...}``: the kind, then its options.
        model: A local folder, a tiny model's name or a hub name.

    Raises:
        UsageError: An unknown kind or option, with the nearest allowed one.
        Unavailable: The engine's plugin cannot be imported.
    """
    options = dict(config)
    kind = options.pop("kind", None)
    if not isinstance(kind, str):
        raise UsageError("engine: say which with 'kind', for example {kind: transformers}")
    factory = load_plugin(GROUP, kind, "engine kind")
    engine: Engine = construct(factory, f"engine {kind!r}", options, model=model)
    return engine
