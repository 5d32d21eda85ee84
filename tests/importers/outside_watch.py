"""Asking the kernel whether anything in a folder was opened, by Python or by a library of C++."""

from __future__ import annotations

import ctypes
import os
import struct
from pathlib import Path
from types import TracebackType

_ACCESS, _OPEN = 0x1, 0x20
_NONBLOCK = os.O_NONBLOCK
_EVENT = struct.Struct("iIII")


class OutsideWatch:
    """Notes what is opened in folders, while it is entered.

    Args:
        folders: The folders; what lies in them is watched, not what lies further down.

    Raises:
        OSError: The kernel has no inotify, or no watch left.
    """

    def __init__(self, *folders: Path) -> None:
        self.opened: list[str] = []
        self._folders = folders
        self._names: dict[int, Path] = {}
        self._file = -1

    def __enter__(self) -> OutsideWatch:
        library = ctypes.CDLL(None, use_errno=True)
        self._file = _checked(library.inotify_init1(_NONBLOCK))
        for folder in self._folders:
            watch = library.inotify_add_watch(self._file, os.fsencode(folder), _ACCESS | _OPEN)
            self._names[_checked(watch)] = folder
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._read()
        os.close(self._file)

    def _read(self) -> None:
        try:
            raw = os.read(self._file, 1 << 20)
        except BlockingIOError:
            return
        while raw:
            watch, _, _, length = _EVENT.unpack_from(raw)
            name = raw[_EVENT.size : _EVENT.size + length].rstrip(b"\0")
            self.opened.append(str(self._names[watch] / os.fsdecode(name)))
            raw = raw[_EVENT.size + length :]


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
