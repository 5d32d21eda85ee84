"""What the engine tests share."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from openai_server import serving

from joulebench.engines.openai import OpenAIEngine
from joulebench.engines.random_words import RandomEngine
from joulebench.engines.registry import build_engine
from joulebench.engines.shapes_folder import ensure_shape_folder
from joulebench.work import Engine, Request

PROMPTS = (
    "Hello",
    "What is the cause of the following? Premise: The bread did not rise. Explain your choice.",
    "Passage: A heat pump carries heat from a colder place to a warmer one. Is it warm?",
)

needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None,
    reason="torch is not installed (pip install 'joulebench[transformers]')",
)

needs_vllm = pytest.mark.skipif(
    not os.environ.get("JOULEBENCH_VLLM") or importlib.util.find_spec("vllm") is None,
    reason="JOULEBENCH_VLLM is not set, or vllm is not installed (make vllm does both)",
)


@functools.cache
def shape_folder(name: str) -> Path:
    """A shape's folder; a missing one is built here: a process for each would import all again."""

    def build_here(module: str, name: str, draft: Path) -> None:
        importlib.import_module(module).build(name, draft)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("joulebench.engines.tiny._run_builder", build_here)
        return ensure_shape_folder(name)


def requests() -> list[Request]:
    """Three prompts of clearly different lengths."""
    return [Request(f"r{i}", prompt) for i, prompt in enumerate(PROMPTS)]


def loaded(kind: str, model: str = "tiny_a", **options: object) -> Engine:
    """An engine of a kind, ready to generate."""
    if kind == "transformers":
        options = {"threads": 1, "device": "cpu"} | options
    engine = build_engine({"kind": kind, **options}, model)
    engine.import_libraries()
    engine.load()
    return engine


@contextmanager
def openai() -> Iterator[Engine]:
    """An engine that asks a server of the tests."""
    with serving() as server, closing(OpenAIEngine("echo", url=server.url)) as engine:
        engine.import_libraries()
        engine.load()
        yield engine


@functools.cache
def tiny() -> Engine:
    """One transformers engine with tiny_a for all tests."""
    return loaded("transformers")


@functools.cache
def vllm() -> Engine:
    """One vllm engine with tiny_a for all tests."""
    return loaded("vllm", enforce_eager=True, kv_cache_gib=0.25, threads=1)


@functools.cache
def random_words() -> Engine:
    """One random engine for all tests."""
    return RandomEngine(token_s=0.0005)


@functools.cache
def echo() -> Engine:
    """One echo engine for all tests."""
    return loaded("echo", token_s=0.0005)
