"""Claims of measured devices, so that two works measured at once on one of them are told.

Reading a sensor twice does no harm; but two measured works on one device each pay for the other.
So who measures work claims the devices that it measures: a file a claim, in a folder that all users
of the machine share, locked as long as its process lives. A lock ends with its process, whatever
became of it. Claims are advice: where none can be made, nothing is said.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import stat
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from joulebench.finding import Finding
from joulebench.testbed.descent import line_of

_LARGEST_BYTES = 4096
_LONGEST = 120

_FRESH_S = 10.0
"""A claim may be made and not yet locked for so long, s."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Somebody's claim of a device.

    Args:
        pid: Of the claimant.
        command: What it runs, cut short.
        line: Its pid and those of its ancestors, the nearest first.
    """

    pid: int
    command: str
    line: tuple[int, ...]

    def is_kin(self, line: Iterable[int]) -> bool:
        """Say whether one of two processes runs within the other, given the other's ancestors."""
        theirs = list(line)
        return self.pid in theirs or (bool(theirs) and theirs[0] in self.line)


def shared_folder() -> Path:
    """Give the folder of claims that all users of this machine share."""
    memory = Path("/dev/shm")  # noqa: S108 - shared by all users, emptied by a restart
    base = memory if memory.is_dir() else Path(tempfile.gettempdir())
    return base / "joulebench-claims"


class DeviceClaims:
    """Holds claims of devices from :meth:`take` to :meth:`release`.

    Args:
        identities: What each device is, by the name that its channels have: one name for one
            device, whoever looks.
        command: What is measured; the program that runs where empty.
        folder: Where the claims of this machine are.
    """

    def __init__(
        self, identities: Mapping[str, str], command: str = "", folder: Path | None = None
    ) -> None:
        self._identities = dict(identities)
        self._command = command or _own_command()
        self._folder = folder or shared_folder()
        self._line = tuple(line_of(os.getpid()))
        self._held: list[int] = []
        self._paths: list[Path] = []
        self._seen: dict[tuple[str, int], Claim] = {}

    def take(self) -> None:
        """Claim the devices, and look who else does."""
        if not self._identities:
            return
        with suppress(OSError):
            _make_folder(self._folder)
            for device, identity in self._identities.items():
                self._take(device, identity)
        self.look()

    def _take(self, device: str, identity: str) -> None:
        path = self._folder / f"{_file_name(identity)}.{os.getpid()}.{id(self):x}"
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        file = os.open(path, flags, 0o644)
        self._held.append(file)
        self._paths.append(path)
        os.fchmod(file, 0o644)  # whatever the user's umask: others are to read it
        # No flock: a forked child would keep that one alive.
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        claim = {"device": device, "command": self._command[:_LONGEST], "line": self._line}
        os.write(file, json.dumps(claim).encode()[:_LARGEST_BYTES])

    def look(self) -> None:
        """Look who else claims the devices now."""
        for device, identity in self._identities.items():
            for claim in _living(self._folder, _file_name(identity)):
                if not claim.is_kin(self._line):
                    self._seen.setdefault((device, claim.pid), claim)

    def release(self) -> None:
        """Let the devices go, having looked once more; a second call does nothing."""
        if self._held:
            self.look()
        for path in self._paths:
            with suppress(OSError):
                path.unlink()
        for file in self._held:
            with suppress(OSError):
                os.close(file)
        self._held, self._paths = [], []

    def findings(self) -> list[Finding]:
        """Name whoever measured work on one of the devices at the same time."""
        by_pid: dict[int, list[str]] = {}
        for device, pid in self._seen:
            by_pid.setdefault(pid, []).append(device)
        claims = {pid: claim for (_, pid), claim in self._seen.items()}
        return [_two_recorders(claims[pid], devices) for pid, devices in by_pid.items()]


def _two_recorders(claim: Claim, devices: list[str]) -> Finding:
    where = ", ".join(devices)
    return Finding(
        rule="two-recorders",
        severity="warning",
        where=where,
        message=f"another work was measured on {where} at the same time, by pid {claim.pid} "
        f"({claim.command}): each has the other's joules in its readings",
        remedy="measure one work at a time, or name other devices in its meters",
    )


def _make_folder(folder: Path) -> None:
    """Make the folder of claims, open to all users; theirs stay theirs (the sticky bit).

    Raises:
        OSError: It cannot be made, or what stands there is no such folder.
    """
    with suppress(FileExistsError):
        folder.mkdir()
        folder.chmod(0o1777)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise NotADirectoryError(folder)


def _living(folder: Path, name: str) -> Iterator[Claim]:
    """Give the claims of a device by other processes that live."""
    try:
        paths = [path for path in folder.iterdir() if path.name.startswith(f"{name}.")]
    except OSError:
        return
    for path in sorted(paths):
        # Closing a file of ours would end our lock on it.
        if path.name.split(".")[1] == str(os.getpid()):
            continue
        claim = _claim(path)
        if claim is not None:
            yield claim


def _claim(path: Path) -> Claim | None:
    """Read a claim of others as what it is: anybody may have written it."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode):
            return None
        try:
            fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            return _read(path, json.loads(os.read(file, _LARGEST_BYTES)))
        if time.time() - found.st_mtime > _FRESH_S:
            path.unlink(missing_ok=True)  # nobody holds it: its process has died
        return None
    except (OSError, ValueError, TypeError, LookupError):
        return None
    finally:
        os.close(file)


def _read(path: Path, content: Any) -> Claim:
    pid = int(path.name.split(".")[1])
    line = tuple(int(each) for each in content["line"])
    command = "".join(c if c.isprintable() else " " for c in str(content["command"]))
    return Claim(pid, command[:_LONGEST], line)


def _file_name(identity: str) -> str:
    """Give an identity as a file's name, unmistakable also where it has odd characters."""
    plain = re.sub(r"[^A-Za-z0-9-]", "-", identity)[:60]
    return f"{plain}-{hashlib.sha256(identity.encode()).hexdigest()[:8]}"


def _own_command() -> str:
    """Name this program; its arguments may be nobody else's business."""
    return Path(sys.argv[0]).name or "python"
