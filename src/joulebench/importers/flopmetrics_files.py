"""Finding what a FLOP metrics study left behind: profiles, counter files, tables."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from joulebench.errors import UsageError
from joulebench.importers.plain_file import open_plain
from joulebench.importers.run_folders import refuse_outside

PASSES = ("forward", "backward")
PROGRAMS = ("setup", "setup_forward", "setup_forward_backward")
"""What was run under the profiler for one configuration, each in a process of its own."""

PRECISIONS = ("fp64", "fp32", "tf32", "fp16", "bf16", "fp8", "int8")

_HEAD_BYTES = 4096
_MOST_LOOKED_AT = 5000
"""Files that are looked at to recognise a folder; an import looks at all."""

_PROFILE_KEY = re.compile(rb'"(?:forward|backward)_(?:energy|flops|gpu_time)_\w+"\s*:')
_COUNTER_HEADER = re.compile(rb'"?"?,\s*"?Kernel Name"?,\s*"?Metric Name"?,\s*"?Metric Value"?')
_PROFILE_NAME = re.compile(rf"([^_]+)_({'|'.join(PRECISIONS)})(?:_|$)", re.IGNORECASE)
_PROGRAM = re.compile(
    r"(setup_forward_backward|forward_backward|setup_forward|forward|setup)(?!.*setup)"
)
_SHAPE = re.compile(r"(?:^|_)n(\d+)_d(\d+)_m(\d+)(?:_|$)")


@dataclass(frozen=True, slots=True)
class Counted:
    """The raw counter files of one configuration, by program; kept raw.

    Args:
        run_id: Its name: that which the files share.
        folder: Where they are.
        shape: Layers ``n``, width ``d``, batch ``m`` where the name says them.
        files: Program of :data:`PROGRAMS` -> file.
    """

    run_id: str
    folder: Path
    shape: Mapping[str, int]
    files: Mapping[str, Path]


@dataclass(slots=True)
class Found:
    """Everything of the study that lies in a folder, each list sorted by path."""

    profiles: list[Path] = field(default_factory=list)
    counters: list[Path] = field(default_factory=list)
    tables: list[Path] = field(default_factory=list)

    @property
    def paths(self) -> list[Path]:
        """All files."""
        return sorted([*self.profiles, *self.counters, *self.tables])

    def __bool__(self) -> bool:
        """Say whether anything is of this kind: a table alone could be anybody's."""
        return bool(self.profiles or self.counters)


def find_files(source: Path, most: int | None = None) -> Found:
    """Look at the names and first bytes of all files in a folder, or of one file.

    Args:
        source: Folder or file.
        most: Number of files after which no more are looked at.

    Raises:
        UsageError: A link leads out of the folder, or something cannot be read.
    """
    found = Found()
    for place, path in enumerate(_files(source)):
        if most is not None and place >= most:
            break
        if path.suffix.lower() == ".jsonl" and _PROFILE_KEY.search(_head(path)):
            found.profiles.append(path)
        elif path.suffix.lower() == ".csv":
            raw = _COUNTER_HEADER.match(_head(path).removeprefix(b"\xef\xbb\xbf"))
            (found.counters if raw else found.tables).append(path)
    return found


def recognised(source: Path) -> Found:
    """Look at a bounded number of files; nothing where they cannot be read."""
    try:
        return find_files(source, _MOST_LOOKED_AT)
    except (UsageError, OSError):
        return Found()


def _files(source: Path) -> Iterator[Path]:
    if not source.is_dir():
        yield source
        return
    for folder, below, names in os.walk(source, onerror=_refuse):
        for name in below:
            refuse_outside(Path(folder, name), source)
        below[:] = sorted(name for name in below if not name.startswith("."))
        for name in sorted(names):
            if name.lower().endswith((".jsonl", ".csv")) and not name.startswith("."):
                refuse_outside(Path(folder, name), source)
                yield Path(folder, name)


def _refuse(error: OSError) -> None:
    raise UsageError(f"{error.filename} cannot be read: {error.strerror}") from error


def _head(path: Path) -> bytes:
    with open_plain(path) as file:
        return file.read(_HEAD_BYTES)


def header_of(path: Path) -> tuple[str, ...]:
    """Give the words of a table's first line, for a look that reads no more of it."""
    line = _head(path).decode("utf-8-sig", "replace").partition("\n")[0]
    return tuple(word.strip("\"' \t\r") for word in re.split("[,;\t|]", line))


def named_in(path: Path) -> tuple[str | None, str | None]:
    """Read GPU and precision out of a name such as ``a100-40g_fp16_llama3.2_1b_result.jsonl``."""
    match = _PROFILE_NAME.match(path.stem)
    return (match[1], match[2].lower()) if match else (None, None)


def counted(paths: list[Path]) -> list[Counted]:
    """Group counter files by the configuration in their name.

    Raises:
        UsageError: Two files claim to be one program of one configuration.
    """
    groups: dict[tuple[Path, str], dict[str, Path]] = defaultdict(dict)
    for path in paths:
        name, program = _configuration(path.stem)
        twin = groups[path.parent, name].setdefault(program, path)
        if twin != path:
            raise UsageError(f"{twin} and {path.name} are both the {program} of {name}; remove one")
    return [
        Counted(name, folder, _shape(name), dict(files))
        for (folder, name), files in sorted(groups.items())
    ]


def _configuration(stem: str) -> tuple[str, str]:
    """Part a name into configuration and program; one without a program counts something else."""
    match = _PROGRAM.search(stem)
    if match is None:
        return stem, "program"
    name = (stem[: match.start()].strip("_") + "_" + stem[match.end() :].strip("_")).strip("_")
    program = match[1] if match[1].startswith("setup") else f"setup_{match[1]}"
    return name or "configuration", program


def _shape(name: str) -> dict[str, int]:
    match = _SHAPE.search(name)
    return dict(zip("ndm", map(int, match.groups()), strict=True)) if match else {}
