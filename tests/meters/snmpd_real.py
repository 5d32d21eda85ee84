"""A real SNMP agent, Debian's snmpd, that serves figures of the test as a power strip would."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

COMMUNITY = "racks"
USER, AUTH, PRIV = "watcher", "signing-phrase", "enciphering-phrase"

_CONFIG = """
agentaddress udp:127.0.0.1:{port}
rocommunity {community} 127.0.0.1
createUser {user} SHA "{auth}" AES "{priv}"
rouser {user} authPriv
pass_persist .1.3.6.1.4.1.318.1.1.26 /bin/sh {script}
pass_persist .1.3.6.1.4.1.13742.6 /bin/sh {script}
pass_persist .1.3.6.1.4.1.1718.4 /bin/sh {script}
pass_persist .1.3.6.1.4.1.534.6.6.7 /bin/sh {script}
"""
_SCRIPT = """# Answers the agent: an object's name, type and value, or NONE.
while read -r asked; do
  case "$asked" in
    PING) echo PONG ;;
    get) read -r oid; grep -A2 -x -F "$oid" {figures} || echo NONE ;;
    getnext) read -r oid; echo NONE ;;
    *) exit ;;
  esac
done
"""


class RealSnmpd:
    """Runs snmpd on a loopback port.

    Args:
        path: The executable.
        folder: Where it keeps its files.
    """

    def __init__(self, path: str, folder: Path) -> None:
        self._figures = folder / "figures.txt"
        self.show({})
        script, config = folder / "pass.sh", folder / "snmpd.conf"
        script.write_text(_SCRIPT.format(figures=self._figures), encoding="ascii")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        told = {"community": COMMUNITY, "user": USER, "auth": AUTH, "priv": PRIV}
        config.write_text(_CONFIG.format(port=self.port, script=script, **told), encoding="ascii")
        environment = {**os.environ, "SNMP_PERSISTENT_DIR": str(folder / "kept")}
        words = [path, "-f", "-Lf", str(folder / "log"), "-C", "-c", str(config), "-r"]
        self._process = subprocess.Popen(words, env=environment)
        self._wait(folder / "log")

    def show(self, figures: Mapping[str, tuple[str, int]]) -> None:
        """Serve other figures: type and value by object identifier."""
        draft = self._figures.with_suffix(".part")
        lines = [f".{oid}\n{kind}\n{value}\n" for oid, (kind, value) in figures.items()]
        draft.write_text("".join(lines), encoding="ascii")
        draft.replace(self._figures)

    def _wait(self, log: Path) -> None:
        deadline_s = time.monotonic() + 20
        while time.monotonic() < deadline_s:
            assert self._process.poll() is None, log.read_text()
            if log.is_file() and "NET-SNMP version" in log.read_text():
                return
            time.sleep(0.02)
        raise AssertionError("snmpd does not start")

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
