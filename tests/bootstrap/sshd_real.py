"""A real OpenSSH server on a loopback port, where this user's home is a folder of the test."""

from __future__ import annotations

import os
import pwd
import shlex
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

_SERVER = """
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/user_key.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
LogLevel VERBOSE
SetEnv {environment}
"""
_CLIENT = """
Host *
  Port {port}
  IdentityFile {folder}/user_key
  IdentitiesOnly yes
  BatchMode yes
  UserKnownHostsFile {folder}/known_hosts
  StrictHostKeyChecking yes
"""


class RealSshd:
    """Runs sshd on a loopback port.

    Args:
        path: The executable.
        folder: Where it keeps its files.
        environment: Variables of those who log in.
    """

    def __init__(self, path: str, folder: Path, environment: Mapping[str, str]) -> None:
        folder.mkdir(exist_ok=True)
        self.log = folder / "log"
        self.config = folder / "client_config"
        self.user = pwd.getpwuid(os.geteuid()).pw_name
        for key in ("host_key", "user_key"):
            words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key)]
            subprocess.run(words, check=True, stdin=subprocess.DEVNULL)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        given = " ".join(shlex.quote(f"{key}={value}") for key, value in environment.items())
        told = {"port": port, "folder": folder, "environment": given}
        (folder / "server_config").write_text(_SERVER.format(**told))
        self.config.write_text(_CLIENT.format(**told))
        host_key = (folder / "host_key.pub").read_text()
        (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {host_key}")
        if os.geteuid() == 0:  # where root's server puts what it trusts least
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        with self.log.open("wb") as log:
            words = [path, "-D", "-e", "-f", str(folder / "server_config")]
            self._process = subprocess.Popen(words, stderr=log, stdin=subprocess.DEVNULL)
        self._wait()

    def _wait(self) -> None:
        deadline_s = time.monotonic() + 20
        while "Server listening" not in self.log.read_text():
            assert self._process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline_s, "sshd does not start"
            time.sleep(0.02)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
