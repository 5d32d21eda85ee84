"""What the routes of a testbed's service share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar

from fastapi import Path
from starlette.concurrency import run_in_threadpool

from joulebench.errors import UsageError
from joulebench.testbed.service_device import Device, resolved
from joulebench.testbed.service_queue import ServedQueue
from joulebench.testbed.service_settings import ServiceSettings
from joulebench.testbed.service_store import Store
from joulebench.testbed.service_trial import ID, LONGEST_ID, ServedTrial

Value = TypeVar("Value")

Id = Annotated[str, Path(pattern=ID, max_length=33 + LONGEST_ID, examples=["0" * 32 + "~r01"])]


class NotFound(UsageError):
    """Something that is not here."""


@dataclass
class Parts:
    """The parts of a service.

    Args:
        settings: Of it.
        store: Its state on disk.
        device: Runs trials.
        queue: Of trials.
        answered: How many requests were answered with each status.
    """

    settings: ServiceSettings
    store: Store
    device: Device
    queue: ServedQueue
    answered: Mapping[int, int] = field(default_factory=dict)
    _sensors: list[str] | None = None

    def host(self, sensors: list[str]) -> dict[str, Any]:
        """Give this machine as it is told."""
        return {
            "host": self.device.host,
            "facts": self.device.facts | {"sensors": sensors},
            "testbed": self.device.name,
            "sensors": sensors,
        }

    def sensors(self) -> list[str]:
        """Name the channels of all sensors of this machine, found once."""
        if self._sensors is None:
            try:
                self._sensors = self.device.channels("auto")
            except UsageError:
                self._sensors = []
        return self._sensors

    def find(self, trial_id: str) -> ServedTrial:
        """Give a trial.

        Raises:
            NotFound: It is not known.
        """
        trial = self.queue.get(trial_id)
        if trial is None:
            raise NotFound(f"run {trial_id}: it is not known here; ask for it with POST /v1/runs")
        return trial

    def check_meters(self, meters: Any) -> None:
        """Refuse meters that do not exist; none is opened.

        Raises:
            UsageError: Which, and the nearest.
        """
        if meters != "auto":
            resolved(meters)

    def closing(self) -> bool:
        """Say whether the service is being stopped."""
        return self.queue.closing

    async def in_thread(self, work: Callable[[], Value]) -> Value:
        """Do what may wait for the disk in a thread."""
        return await run_in_threadpool(work)
