"""What torchao says of itself stays off the terminal and the logs, and nothing else does."""

from __future__ import annotations

import importlib.util
import logging
import subprocess
import sys

import pytest

from joulebench.engines.torch_quiet import torchao_quiet

PLAIN = """
from joulebench.engines.model_source import find_model
from joulebench.engines.torch_model import import_torch_libraries
import_torch_libraries(find_model("tiny_a"))
"""


@pytest.mark.skipif(importlib.util.find_spec("torchao") is None, reason="torchao is not installed")
def test_a_plain_model_is_imported_without_a_word() -> None:
    done = subprocess.run([sys.executable, "-c", PLAIN], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


@pytest.mark.parametrize(
    ("logger", "level", "says", "told"),
    [
        ("torchao", logging.WARNING, "Failed to load _C.so: not for this device", False),
        ("torchao", logging.ERROR, "Failed to load _C.so: not for this device", True),
        ("torchao", logging.WARNING, "this torch is too old", True),
        ("torchao.other", logging.WARNING, "Failed to load weights", True),
        ("torch.utils._pytree", logging.WARNING, "a node is registered twice", True),
        ("transformers", logging.WARNING, "Failed to load a checkpoint", True),
    ],
)
def test_only_what_is_known_is_left_out(
    caplog: pytest.LogCaptureFixture, logger: str, level: int, says: str, told: bool
) -> None:
    with torchao_quiet():
        logging.getLogger(logger).log(level, says)
    assert (says in caplog.text) == told
    caplog.clear()
    logging.getLogger(logger).log(level, says)
    assert says in caplog.text


def test_who_asks_for_more_is_told_all(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "torchao")
    with torchao_quiet():
        logging.getLogger("torchao").warning("Failed to load _C.so")
    assert "Failed to load _C.so" in caplog.text
