"""One run as an audit sees it: its record, and what it left behind, read when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

from joulebench.channel import Window
from joulebench.energy import Trace
from joulebench.errors import UsageError
from joulebench.record import Run
from joulebench.run_row import MEASURED


class AuditRun:
    """One run.

    Args:
        unit: What findings call the study or folder that it belongs to.
        run: Its record.
        traces: Reads its traces by channel name.
        responses: Reads its responses, one dict a prompt.
        host: Facts of its machine.
        devices: Names of accelerators that the user says it ran on.
    """

    def __init__(
        self,
        unit: str,
        run: Run,
        traces: Callable[[], Mapping[str, Trace]],
        responses: Callable[[], Sequence[Mapping[str, Any]]],
        host: Mapping[str, Any] | None = None,
        devices: tuple[str, ...] = (),
    ) -> None:
        self.unit = unit
        self.run = run
        self.host = dict(host or {})
        self.stated_devices = devices
        self._read_traces = traces
        self._read_responses = responses

    def read(self) -> list[str]:
        """Read traces and responses; what cannot be read is taken as not kept.

        Returns:
            What stood in the way, one line each.
        """
        problems = []
        for name, empty in (("traces", {}), ("responses", ())):
            try:
                getattr(self, name)
            except UsageError as error:
                problems.append(" ".join(str(error).split()))
                self.__dict__[name] = empty
        return problems

    @cached_property
    def traces(self) -> Mapping[str, Trace]:
        """The run's traces by channel name; empty where none are kept."""
        return self._read_traces()

    @cached_property
    def responses(self) -> Sequence[Mapping[str, Any]]:
        """The run's responses, one dict a prompt; empty where none are kept."""
        return self._read_responses()

    @property
    def windows(self) -> list[Window]:
        """The measured windows: those named "measure", else all that are not idle or warm-up."""
        named = [window for window in self.run.windows if window.name == MEASURED]
        apart = ("idle", "load", "warmup", "request")
        return named or [window for window in self.run.windows if window.name not in apart]

    @property
    def published(self) -> Mapping[str, Any]:
        """What the source published for this run, by column; empty where it says nothing."""
        values = self.run.facts.get("published", {}).get("values", {})
        return values if isinstance(values, Mapping) else {}

    def where(self, channel: str = "") -> str:
        """Give what a finding says of its place: the run, and the channel if it is about one."""
        return f"{self.run.run_id}: {channel}" if channel else self.run.run_id
