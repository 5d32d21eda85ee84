"""Loads that are made by processes of their own: busy processors, matrix products on GPUs."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from joulebench.channel import Channel
from joulebench.characterize.load import Switch, Wave
from joulebench.errors import Unavailable

START_S = 120.0
"""Longest time that a load may take to be ready, s: libraries of GPUs are large."""

_END_S = 20.0

_PROCESSOR_SCOPES = ("cpu package", "cpu core", "cpu uncore", "dram", "platform", "node", "wall")


class Follower:
    """One process that follows plans.

    Args:
        module: What it runs.
        words: Its arguments.

    Raises:
        Unavailable: It has no work to do here.
    """

    def __init__(self, module: str, *words: str) -> None:
        # -P: a file of the user's that is named like a module must not be imported.
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", module, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            bufsize=0,
        )

    def wait_ready(self) -> None:
        """Wait until it can begin.

        Raises:
            Unavailable: It cannot.
        """
        answer = self._answer(START_S)
        if not answer.get("ready"):
            self.close()
            what = answer.get("what", "The load did not start.")
            raise Unavailable(what, answer.get("remedy", ""))

    def send(self, switches: Sequence[Switch]) -> None:
        """Hand over a plan."""
        assert self._process.stdin is not None
        plan = json.dumps([(switch.at_s, switch.level) for switch in switches])
        self._process.stdin.write(plan.encode() + b"\n")

    def begun(self) -> list[Switch]:
        """Wait for the end of the plan; gives when each level was begun."""
        answer = self._answer(_END_S)
        return [Switch(at_s, level) for at_s, level in answer.get("begun", [])]

    def _answer(self, timeout_s: float) -> dict[str, Any]:
        answers = self._process.stdout
        assert answers is not None
        ready, _, _ = select.select((answers,), (), (), timeout_s)
        line = answers.readline() if ready else b""
        return json.loads(line) if line.endswith(b"\n") else {}

    def close(self) -> None:
        """End the process, wherever it is."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()
        self._process.kill()
        self._process.wait()


class _Followed:
    """A load of several processes that all follow one plan."""

    what = ""

    def __init__(self, followers: Mapping[str, Sequence[Follower]]) -> None:
        self._followers = followers
        try:
            for follower in self._all():
                follower.wait_ready()
        except BaseException:
            self.close()
            raise

    def _all(self) -> list[Follower]:
        return [follower for some in self._followers.values() for follower in some]

    def start(self, switches: Sequence[Switch]) -> None:
        """Begin to follow a plan; returns at once."""
        for follower in self._all():
            follower.send(switches)

    def waves(self) -> dict[str, Wave]:
        """Wait for the end of the plan and give what was done to each device."""
        done = {device: [f.begun() for f in some] for device, some in self._followers.items()}
        return {device: _together(begun) for device, begun in done.items() if any(begun)}

    def close(self) -> None:
        """End the processes."""
        for follower in self._all():
            follower.close()


def _together(begun: Sequence[Sequence[Switch]]) -> Wave:
    """Give the mean wave of several processes; what they differ by is the doubt of its edges."""
    whole = [some for some in begun if some]
    at_s = np.array([[switch.at_s for switch in some] for some in whole])
    switches = [
        Switch(float(time_s), switch.level)
        for time_s, switch in zip(at_s.mean(axis=0), whole[0], strict=True)
    ]
    return Wave(switches, edge_s=float(np.sqrt(np.mean(at_s.var(axis=0)))))


class ProcessorLoad(_Followed):
    """Busy loops, one pinned to each processor but the first, which polls.

    Raises:
        Unavailable: The processes cannot be started.
    """

    def __init__(self) -> None:
        usable = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
        busy = usable[1:] or usable
        self.what = f"busy loops on {len(busy)} of {len(usable)} logical processors"
        module = "joulebench.characterize.follow"
        super().__init__({"": [Follower(module, str(cpu)) for cpu in busy]})

    def drives(self, channel: Channel) -> bool:
        """Say whether a channel reads the processor, alone or within a whole."""
        return channel.scope in _PROCESSOR_SCOPES


class GpuLoad(_Followed):
    """Matrix products on GPUs.

    Args:
        devices: What each GPU is called in the channels, and how CUDA finds it.

    Raises:
        Unavailable: There is no torch that can use them.
    """

    def __init__(self, devices: Mapping[str, str]) -> None:
        self.what = f"matrix products on {', '.join(devices)}"
        module = "joulebench.characterize.follow_gpu"
        super().__init__({device: [Follower(module, cuda)] for device, cuda in devices.items()})

    def drives(self, channel: Channel) -> bool:
        """Say whether a channel reads a GPU."""
        return channel.scope.startswith("gpu")
