"""AMD GPUs through AMD SMI: the energy counter and the power of each socket.

Socket power is that of the whole package on its carrier: GPU dies and stacked memory, and of an
MI300A its processor too (AMD SMI documentation, ``amdsmi_power_info_t``). AMD publishes neither how
often it is updated nor what it averages over, and no measurement of its error from board to board;
that of NVIDIA's boards is taken.

Counters that stand still or count another unit have been seen on MI100 and others
(github.com/ROCm/amdsmi, issues 22 and 38), so each is watched for a moment and held against the
power beside it before it is believed.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from joulebench.errors import SensorLost, Unavailable
from joulebench.meters.amd_devices import chosen, gpus, sharing
from joulebench.meters.amd_errors import unavailable
from joulebench.meters.amd_library import AmdRefused, AmdSmi
from joulebench.meters.amd_socket import AmdSocket, offer
from joulebench.meters.counter_slope import watch
from joulebench.meters.meter import with_one_stamp

DRIVER = "/sys/module/amdgpu"


class AmdMeter:
    """Reads energy counter and socket power of AMD GPUs.

    Args:
        devices: Indices (as ``amd-smi list`` counts) or UUIDs; where ``None``, those that
            ``ROCR_VISIBLE_DEVICES`` and ``HIP_VISIBLE_DEVICES`` leave, or all GPUs.
        library: Anything with the functions of the module ``amdsmi``; that module by default.
        environment: Environment variables; those of this process by default.
        driver: Folder that is there where the kernel has the driver.

    Raises:
        Unavailable: No driver, no GPU, no such GPU, or none of its readings can be had.
        UsageError: A device that cannot be one.
    """

    def __init__(
        self,
        devices: int | str | Sequence[int | str] | None = None,
        *,
        library: Any | None = None,
        environment: Any | None = None,
        driver: str = DRIVER,
    ) -> None:
        if not Path(driver).exists():
            raise Unavailable(
                "The kernel's driver amdgpu is not loaded, so no AMD GPU can be read.",
                "sudo modprobe amdgpu",
            )
        self._smi = AmdSmi(library)
        self.notes: list[str] = []
        self._sockets: list[AmdSocket] = []
        self._initialise()
        try:
            self._open(devices, os.environ if environment is None else environment)
        except BaseException:
            self._smi.known("shut_down")
            raise

    def read(self) -> list[float]:
        """Give joules and watts of each channel; nan where AMD SMI answered with an error.

        Raises:
            SensorLost: Every GPU has gone for good.
        """
        values = [value for socket in self._sockets for value in socket.read()]
        if self._sockets and all(socket.lost for socket in self._sockets):
            gone = "; ".join(f"{socket.device}: {socket.lost}" for socket in self._sockets)
            mends = self._sockets[0].remedy.rstrip(".")
            raise SensorLost(f"amd: no GPU is left to read: {gone}; {mends}")
        return values

    def observe(self) -> list[dict[str, Any]]:
        """Give the state of each GPU: temperatures, clocks, what holds them back, processes."""
        return [state for socket in self._sockets for state in socket.states()]

    def facts(self) -> dict[str, Any]:
        """Give what each GPU is, and which readings it refused."""
        return {"devices": {socket.device: socket.facts() for socket in self._described}}

    def close(self) -> None:
        """Let the library go."""
        if self._sockets:
            self._sockets = []
            try:
                self._smi.ask("shut_down")
            except AmdRefused as error:
                self.notes.append(f"amd: closing: {error}")

    def _initialise(self) -> None:
        try:
            self._smi.ask("init")
        except AmdRefused as error:
            raise unavailable(error.code, "AMD SMI cannot be used") from error

    def _open(self, devices: object, environment: Mapping[str, str]) -> None:
        sockets = self._found(devices, environment)
        watch([seen for socket in sockets for seen in socket.watched()])
        channels = {socket: socket.settle() for socket in sockets}
        self.notes += [note for socket in sockets for note in socket.notes]
        self._sockets = [socket for socket in sockets if channels[socket]]
        self._described = list(self._sockets)
        if not self._sockets:
            raise Unavailable(
                f"No AMD GPU here can be read: {'; '.join(self.notes)}.",
                "amd-smi metric --power --energy",
            )
        read = [one for socket in self._sockets for one in socket.group]
        self.identities = {one.device: one.uuid for one in read if one.uuid}
        self.channels = [channel for socket in self._sockets for channel in channels[socket]]
        self.channels = with_one_stamp(self.channels, self.read)

    def _found(self, devices: object, environment: Mapping[str, str]) -> list[AmdSocket]:
        """Find the sensors that read the GPUs that are wanted."""
        everything = gpus(self._smi)
        if not everything:
            raise Unavailable(
                "AMD SMI finds no GPU.",
                "amd-smi list; in a container, start it with: "
                "docker run --device /dev/kfd --device /dev/dri ...",
            )
        wanted, self.notes = chosen(everything, devices, environment)
        offers = {one: offer(self._smi, one) for one in everything}
        silent = [one for one in everything if not offers[one].readings]
        groups = sharing(everything, silent)
        asked = [group for group in groups if any(one in wanted for one in group)]
        return [AmdSocket(self._smi, group, offers) for group in asked]
