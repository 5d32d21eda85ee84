"""One trial that a testbed was asked for: what is known of it, from its coming to its end."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from joulebench.testbed.service_secrets import Secrets, redacted
from joulebench.testbed.service_watch import Watch

State = Literal["queued", "cooling", "running", "done", "failed", "cancelled"]

ENDED = ("done", "failed", "cancelled")

STUDY_ID = r"^[0-9a-f]{32}$"
RUN_ID = r"^\w[\w.+-]{0,179}$"
ID = r"^[0-9a-f]{32}~\w[\w.+-]{0,179}$"
LONGEST_ID = 190
"""Bytes of a run's id: file systems allow 255 with what stands around it."""

_KEPT = (
    "study_id", "run_id", "attempt", "state", "queued_at", "started_at", "ended_at", "lease_s",
    "callback_url", "error", "files", "digest", "study", "trial",
)  # fmt: skip
"""What of a trial is written into its ``state.json``."""


@dataclass(eq=False)
class ServedTrial:
    """One attempt at a trial.

    Args:
        study_id: Of the study's folder.
        run_id: Of the trial in it.
        attempt: From 1.
        folder: Of its files.
        digest: Of its plan, secrets hidden: the same attempt never has two plans.
        study: Name of the study.
        trial: Order, block, repetition and levels.
        plan: Whole; ``None`` once it has ended.
        lease_s: Nobody may be silent for longer, s.
        callback_url: Is told of its end; empty for nobody.
        state: Where it stands.
        phase: What it does now.
        watts: Power now, W; ``None`` if unknown.
        method: How that is known.
        queued_at: UTC, ISO 8601.
        started_at: The same; empty if it has not.
        ended_at: The same.
        error: Why it failed; ``None`` if it did not.
        files: Name, bytes and SHA-256 of each.
        renewed_s: When somebody last asked about it, monotonic, s.
        ending: Why it is being stopped; empty if it is not.
    """

    study_id: str
    run_id: str
    attempt: int
    folder: Path
    digest: str
    study: str
    trial: dict[str, Any]
    plan: dict[str, Any] | None = None
    lease_s: float = 300.0
    callback_url: str = ""
    state: State = "queued"
    phase: str = ""
    watts: float | None = None
    method: str = ""
    queued_at: str = ""
    started_at: str = ""
    ended_at: str = ""
    error: str | None = None
    files: list[dict[str, Any]] = field(default_factory=list)
    renewed_s: float = field(default_factory=time.monotonic)
    ending: str = ""
    watch: Watch = field(default_factory=Watch)

    @property
    def id(self) -> str:
        """Name of the resource."""
        return f"{self.study_id}~{self.run_id}"

    @property
    def ended(self) -> bool:
        """Whether nothing more happens to it."""
        return self.state in ENDED

    @property
    def lease_left_s(self) -> float:
        """Time until it is stopped if nobody asks about it, s."""
        return max(0.0, self.renewed_s + self.lease_s - time.monotonic())

    def renew(self) -> None:
        """Note that somebody has asked about it."""
        self.renewed_s = time.monotonic()

    def secrets(self) -> Secrets:
        """Give what must not be told of its plan."""
        return Secrets(self.plan or {})

    def public(self) -> dict[str, Any]:
        """Give its state as it is told, without its record."""
        return {
            "id": self.id,
            "run_id": self.run_id,
            "study_id": self.study_id,
            "attempt": self.attempt,
            "state": self.state,
            "phase": self.phase,
            "watts": self.watts,
            "method": self.method,
            "queued_at": self.queued_at,
            "started_at": self.started_at,
            "ended_at": self.ended_at,
            "lease_left_s": None if self.ended else round(self.lease_left_s, 3),
            "error": self.error,
            "files": self.files,
        }

    def kept(self) -> dict[str, Any]:
        """Give what is written down of it."""
        return {key: getattr(self, key) for key in _KEPT}

    @classmethod
    def of_kept(cls, kept: Mapping[str, Any], folder: Path) -> ServedTrial:
        """Build it from what was written down.

        Raises:
            KeyError: Something is missing.
        """
        return cls(folder=folder, **{key: kept[key] for key in _KEPT})


def digest_of(plan: Mapping[str, Any]) -> str:
    """Give what tells two plans apart, their secrets left out."""
    text = json.dumps(redacted(plan), sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def is_id(text: str) -> bool:
    """Say whether a text can be the id of a trial."""
    return re.fullmatch(ID.strip("^$"), text) is not None and len(text.encode()) <= 33 + LONGEST_ID


def now() -> str:
    """Give the time, UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
