from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from engine_cases import needs_torch

from joulebench.engines import tiny
from joulebench.errors import UsageError


def weights_digest(folder: Path) -> str:
    parts = [(folder / name).read_bytes() for name in ("model.safetensors", "tokenizer.json")]
    return hashlib.sha256(b"".join(parts)).hexdigest()


@needs_torch
def test_two_callers_at_once_get_the_same_model_as_anybody_else(tmp_path: Path) -> None:
    """Both build; one wins; nothing is left over; the bytes equal an earlier build's.

    The callers run no tensor library: their process may have to fork.
    """
    code = (
        "import sys\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from pathlib import Path\n"
        "from joulebench.engines.tiny import ensure_tiny_model\n"
        f"cache = Path({str(tmp_path)!r})\n"
        "with ThreadPoolExecutor(2) as pool:\n"
        "    places = set(pool.map(ensure_tiny_model, ['tiny_a'] * 2, [cache] * 2))\n"
        "print('torch' in sys.modules, len(places))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "1"]
    (place,) = tmp_path.iterdir()
    assert weights_digest(place) == weights_digest(tiny.ensure_tiny_model("tiny_a"))


@needs_torch
def test_a_cached_model_is_not_built_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / f"tiny_a-{tiny.recipe_digest('tiny_a')}"
    place.mkdir()
    (place / tiny.MARKER).write_text("{}")
    monkeypatch.setattr(tiny, "build_into", lambda *_: pytest.fail("was built again"))
    assert tiny.ensure_tiny_model("tiny_a", tmp_path) == place


def test_a_changed_recipe_has_another_place(monkeypatch: pytest.MonkeyPatch) -> None:
    before = tiny.recipe_digest("tiny_a")
    changed = tiny.TinyRecipe(layers=3, hidden=128, intermediate=352, heads=4, kv_heads=2)
    monkeypatch.setitem(tiny.RECIPES, "tiny_a", changed)
    assert tiny.recipe_digest("tiny_a") != before


def test_the_cache_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    monkeypatch.delenv("JOULEBENCH_CACHE", raising=False)
    assert tiny.model_cache() == Path("/somewhere/joulebench/models")
    monkeypatch.setenv("JOULEBENCH_CACHE", "/elsewhere")
    assert tiny.model_cache() == Path("/elsewhere/models")


def test_an_unknown_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'tiny_a'"):
        tiny.ensure_tiny_model("tinya", tmp_path)


def test_a_cache_that_cannot_be_made_names_the_way_out(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(UsageError, match="JOULEBENCH_CACHE"):
        tiny.ensure_tiny_model("tiny_a", blocked / "models")


def test_a_failed_build_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", _failing_python(tmp_path))
    with pytest.raises(UsageError, match="could not be built: no torch here"):
        tiny.ensure_tiny_model("tiny_a", tmp_path / "models")
    assert list((tmp_path / "models").iterdir()) == []


def _failing_python(folder: Path) -> str:
    script = folder / "python"
    script.write_text("#!/bin/sh\necho no torch here >&2\nexit 1\n")
    os.chmod(script, 0o755)
    return str(script)
