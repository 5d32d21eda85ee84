"""How a node idled in earlier jobs of a study: what an adaptive cool-down holds it against.

Each job is a process of its own, and its node was somebody else's before. What one job has learned
of a node's rest is kept beside the submissions, one file a node, so that all trials on it begin
from the same state.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from joulebench.record import write_whole
from joulebench.testbed.adaptive_bands import Reference
from joulebench.testbed.cooldown import CoolDown

Meters = Sequence[Mapping[str, Any]]

_ROOM = "nodes"


class NodeRest:
    """What is known of a node at rest.

    Args:
        room: Folder of the study's submissions.
        node: Its name.
    """

    def __init__(self, room: Path, node: str) -> None:
        self.cooling = CoolDown()
        self._path = room / _ROOM / f"{re.sub(r'[^A-Za-z0-9._-]', '_', node)}.json"

    def recall(self, meters: Meters) -> None:
        """Hold the node against what earlier jobs have seen of it with the same meters.

        Args:
            meters: As they were found there.
        """
        known = self._read()
        if known.get("meters") != json.loads(json.dumps(meters)):
            return
        with suppress(TypeError):  # of another version: it is taken anew
            self.cooling.hold_against(meters, Reference(**known["reference"]))

    def keep(self, meters: Meters) -> None:
        """Write down what is known of it now.

        Args:
            meters: As they were found there.
        """
        reference = self.cooling.reference(meters)
        if reference is None:
            return
        known = {"meters": list(map(dict, meters)), "reference": asdict(reference)}
        self._path.parent.mkdir(exist_ok=True)
        write_whole(self._path, json.dumps(known, allow_nan=False))

    def _read(self) -> dict[str, Any]:
        try:
            known = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return known if isinstance(known, dict) and "reference" in known else {}
