"""A service processor that is simulated: OpenIPMI's ipmi_sim, with a stand-in for its DCMI."""

from __future__ import annotations

import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

USER, PASSWORD = "watcher", "stand-in"
ACTIVE, INACTIVE = 0x40, 0x00

_LAN = """name "stand-in"
set_working_mc 0x20
{module}
startlan 1
  addr 127.0.0.1 {port}
  priv_limit admin
  allowed_auths_callback none md2 md5 straight
  allowed_auths_user none md2 md5 straight
  allowed_auths_operator none md2 md5 straight
  allowed_auths_admin none md2 md5 straight
  guid a123456789abcdefa123456789abcdef
endlan
user 2 true "{user}" "{password}" admin 10 none md2 md5 straight
"""
_EMULATION = """mc_setbmc 0x20
mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr
mc_enable 0x20
"""


@dataclass
class Reading:
    """What the stand-in answers to "Get Power Reading"."""

    watts: int
    lowest_w: int = 2
    highest_w: int = 468
    mean_w: int = 184
    period_ms: int = 1000
    state: int = ACTIVE
    code: int = 0


class SimulatedBmc:
    """Runs ipmi_sim on a loopback port.

    Args:
        path: The executable.
        folder: Where it keeps its files.
        module: The compiled stand-in for DCMI; without it the simulator knows no DCMI.
    """

    def __init__(self, path: str, folder: Path, module: Path | None) -> None:
        self._figures = folder / "power.txt"
        self.port = _free_udp_port()
        loaded = f'loadlib "{module}" "{self._figures}"' if module else ""
        config, emulation, state = folder / "lan.conf", folder / "sim.emu", folder / "state"
        lan = _LAN.format(module=loaded, port=self.port, user=USER, password=PASSWORD)
        config.write_text(lan, encoding="ascii")
        emulation.write_text(_EMULATION, encoding="ascii")
        state.mkdir()
        words = [path, "-c", str(config), "-f", str(emulation), "-s", str(state), "-n"]
        with (folder / "log").open("wb") as log:
            self._process = subprocess.Popen(words, stdout=log, stderr=log)
        self._wait()

    def show(self, reading: Reading) -> None:
        draft = self._figures.with_suffix(".part")
        draft.write_text(" ".join(str(value) for value in vars(reading).values()))
        draft.replace(self._figures)

    def _wait(self) -> None:
        """Wait until it answers a presence ping (ASF 2.0), as RMCP has it."""
        ping = bytes([6, 0, 0xFF, 6, 0, 0, 0x11, 0xBE, 0x80, 1, 0, 0])
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.settimeout(0.1)
            for _ in range(100):
                probe.sendto(ping, ("127.0.0.1", self.port))
                try:
                    if probe.recv(64):
                        return
                except OSError:
                    assert self._process.poll() is None, "ipmi_sim ended"
                    time.sleep(0.05)
        raise AssertionError("ipmi_sim does not answer")

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


def compiled(source: Path, folder: Path, compiler: str) -> Path:
    """Compile the stand-in into a module."""
    module = folder / "dcmi.so"
    words = [compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror"]
    subprocess.run([*words, str(source), "-o", str(module)], check=True)
    return module


def _free_udp_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
