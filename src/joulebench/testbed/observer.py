"""Writes down what meters say of the state of their devices. Standard library alone."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from joulebench.testbed.descent import descends
from joulebench.testbed.disk import full_message


class Observer:
    """Appends states as JSON lines, each with the monotonic time it is of, ``t_s``.

    Args:
        path: Of the file.
        root_pid: The process whose work is measured: the processes that a meter sees on its
            devices are marked as its own or not, where that can be told.
    """

    def __init__(self, path: Path, root_pid: int) -> None:
        self._path = path
        self._root_pid = root_pid
        self.unwritten = ""

    def write(self, meters: Iterable[Any]) -> None:
        """Ask the meters that tell of their devices, and write what they say."""
        now_s = time.monotonic()
        lines = [line for meter in meters for line in self._lines(meter, now_s)]
        if not lines:
            return
        try:
            with self._path.open("a", encoding="utf-8") as file:
                # On a line of its own, also after one that a full disk cut short.
                file.write("\n" + "\n".join(lines) + "\n")
        except OSError as error:
            said = full_message(error, self._path) or f"{self._path}: {error}"
            self.unwritten = self.unwritten or said

    def _lines(self, meter: Any, now_s: float) -> list[str]:
        observe = getattr(meter, "observe", None)
        if observe is None:
            return []
        try:
            return [json.dumps({"t_s": now_s, **self._marked(state)}) for state in observe()]
        except Exception:  # a state that cannot be had must not cost a reading
            return []

    def _marked(self, state: dict[str, Any]) -> dict[str, Any]:
        if "processes" not in state:
            return state
        marked = []
        for process in state["processes"]:
            ours = descends(process["pid"], self._root_pid)
            marked.append(process if ours is None else {**process, "ours": ours})
        return {**state, "processes": marked}
