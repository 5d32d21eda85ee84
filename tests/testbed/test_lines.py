"""JSON lines on pipes."""

from __future__ import annotations

import os
import threading
from typing import Any

import pytest

from joulebench.testbed.lines import LineReader, send


def test_messages_come_whole_and_in_order() -> None:
    read, write = os.pipe()
    messages: list[dict[str, Any]] = [{"event": "a", "text": "ü\n" * 100}, {"event": "b", "n": 1}]
    for message in messages:
        send(write, message)
    reader = LineReader(read)
    assert [reader.read(1.0), reader.read(1.0)] == messages
    assert reader.read(0.0) is None


def test_a_large_message_passes_a_small_pipe() -> None:
    read, write = os.pipe()
    message = {"event": "run", "text": "x" * 1_000_000}
    thread = threading.Thread(target=send, args=(write, message))
    thread.start()
    assert LineReader(read).read(10.0) == message
    thread.join()


def test_a_line_cut_short_by_a_killed_writer_is_passed_over() -> None:
    read, write = os.pipe()
    os.write(write, b'{"event": "run", "ru')
    send(write, {"event": "exit"})
    assert LineReader(read).read(1.0) == {"event": "exit"}


def test_the_end_is_told() -> None:
    read, write = os.pipe()
    os.close(write)
    with pytest.raises(EOFError):
        LineReader(read).read()
