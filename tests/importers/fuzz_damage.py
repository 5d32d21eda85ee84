"""Ways in which a file of results comes to be damaged, each decided by one number."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random

CELLS = (
    "", "NaN", "inf", "-inf", "1e308", "-1e308", "1e-320", "1e400", "9" * 400, "-1", "0", "1,5",
    "1.234,5", "0x10", "1_000", "٣", "true", "null", "abc", "[]", "{}", "2025-13-45T99:99:99",
    "a\tb", '"', "'", "\r", "\x1b[31m", "é" * 50, "x" * 70_000, "../../x", "/etc/passwd", "\ud7ff",
)  # fmt: skip
"""What stands where a number or a name should."""

_NUMBER = re.compile(r"-?\d+(?:[.,]\d+)?(?:[eE][-+]?\d+)?")
_SEPARATORS = ",;\t|"


def _text(file: Path) -> str:
    return file.read_bytes().decode("utf-8", "replace")


def _write(file: Path, text: str) -> None:
    file.write_bytes(text.encode("utf-8", "replace"))


def _separator(lines: list[str]) -> str:
    return max(_SEPARATORS, key=lines[0].count) if lines else ","


def cut(file: Path, random: Random) -> None:
    """End the file anywhere."""
    raw = file.read_bytes()
    file.write_bytes(raw[: random.randrange(len(raw) + 1)])


def overwrite(file: Path, random: Random) -> None:
    """Put other bytes in the place of some."""
    raw = bytearray(file.read_bytes())
    for _ in range(random.randrange(1, 9)):
        if raw:
            raw[random.randrange(len(raw))] = random.randrange(256)
    file.write_bytes(raw)


def noise(file: Path, random: Random) -> None:
    """Put random bytes there."""
    file.write_bytes(random.randbytes(random.choice((0, 1, 2, 3, 100, 5000))))


def encode(file: Path, random: Random) -> None:
    """Save in another encoding."""
    text = _text(file).replace("a", "é", 3)
    encoding = random.choice(("utf-16", "utf-16-le", "utf-32", "latin-1", "cp037", "utf-8-sig"))
    file.write_bytes(text.encode(encoding, "replace"))


def nul(file: Path, random: Random) -> None:
    """Put zero bytes in, or a sector of them, as a crash leaves."""
    raw = file.read_bytes()
    place = random.randrange(len(raw) + 1)
    file.write_bytes(raw[:place] + b"\0" * random.choice((1, 512)) + raw[place:])


def header_twice(file: Path, random: Random) -> None:
    """Repeat the header further down, as appending does."""
    lines = _text(file).splitlines(keepends=True)
    if lines:
        lines.insert(random.randrange(1, len(lines) + 1), lines[0])
    _write(file, "".join(lines))


def column_twice(file: Path, random: Random) -> None:
    """Give one column the name of another, or all lines a column more."""
    lines = _text(file).splitlines()
    separator = _separator(lines)
    names = lines[0].split(separator) if lines else [""]
    if random.random() < 0.5:
        names[random.randrange(len(names))] = random.choice(names)
        lines[:1] = [separator.join(names)]
    else:
        place = random.randrange(len(names))
        lines = [
            separator.join([line, *line.split(separator)[place : place + 1]]) for line in lines
        ]
    _write(file, "\n".join(lines) + "\n")


def no_column(file: Path, random: Random) -> None:
    """Take a column away, or only its name."""
    lines = _text(file).splitlines()
    separator = _separator(lines)
    count = len(lines[0].split(separator)) if lines else 1
    place, all_lines = random.randrange(count), random.random() < 0.5
    for number, line in enumerate(lines):
        if number == 0 or all_lines:
            cells = line.split(separator)
            lines[number] = separator.join(cells[:place] + cells[place + 1 :])
    _write(file, "\n".join(lines) + "\n")


def lines_moved(file: Path, random: Random) -> None:
    """Drop, repeat or move lines."""
    lines = _text(file).splitlines(keepends=True)
    for _ in range(random.randrange(1, 4)):
        if len(lines) > 1:
            line = lines.pop(random.randrange(len(lines)))
            lines[random.randrange(len(lines)) :][:0] = [line] * random.randrange(3)
            lines.insert(random.randrange(len(lines) + 1), line)
    _write(file, "".join(lines))


def cell(file: Path, random: Random) -> None:
    """Put something odd in the place of numbers, anywhere in the file."""
    text = _text(file)
    found = list(_NUMBER.finditer(text))
    for match in sorted(
        random.sample(found, min(len(found), random.randrange(1, 4))), key=_from_end
    ):
        text = text[: match.start()] + random.choice(CELLS) + text[match.end() :]
    _write(file, text)


def _from_end(match: re.Match[str]) -> int:
    return -match.start()


def column(file: Path, random: Random) -> None:
    """Fill a whole column with something odd."""
    lines = _text(file).splitlines()
    separator, filled = _separator(lines), random.choice(CELLS)
    place = random.randrange(len(lines[0].split(separator)) if lines else 1)
    for number in range(1, len(lines)):
        cells = lines[number].split(separator)
        if place < len(cells):
            cells[place] = filled
        lines[number] = separator.join(cells)
    _write(file, "\n".join(lines) + "\n")


def separators(file: Path, random: Random) -> None:
    """Write another separator or other line ends."""
    text = _text(file)
    old = _separator(text.splitlines())
    choice = random.randrange(4)
    if choice == 0:
        text = text.replace(old, random.choice(_SEPARATORS))
    elif choice == 1:
        text = text.replace("\n", random.choice(("\r\n", "\r", "\n\n", "\u2028")))
    elif choice == 2:
        text = text.replace(".", ",")
    else:
        text = "sep=" + old + "\n" + text
    _write(file, text)


def quote(file: Path, random: Random) -> None:
    """Open a quote that nothing closes."""
    text = _text(file)
    place = random.randrange(len(text) + 1)
    _write(file, text[:place] + '"' + text[place:])


def long_line(file: Path, random: Random) -> None:
    """Put a very long line in, of one cell or of many."""
    text = _text(file)
    place = random.randrange(len(text) + 1)
    filled = random.choice(("x", "1,", "[", '{"a":', "9")) * random.choice((20_000, 300_000))
    _write(file, text[:place] + filled + text[place:])


def gone(file: Path, random: Random) -> None:
    """Take the file away."""
    del random
    file.unlink()


def folder_instead(file: Path, random: Random) -> None:
    """Put a folder in its place, empty or with the file in it."""
    raw = file.read_bytes()
    file.unlink()
    file.mkdir()
    if random.random() < 0.5:
        (file / file.name).write_bytes(raw)


def pipe_instead(file: Path, random: Random) -> None:
    """Put a pipe in its place, which nobody writes to."""
    del random
    file.unlink()
    os.mkfifo(file)


def link_to_itself(file: Path, random: Random) -> None:
    """Put a link in its place that leads in a circle or nowhere."""
    file.unlink()
    file.symlink_to(random.choice((file, file.parent / "nothing", file.parent)))


def other_folder(file: Path, random: Random) -> None:
    """Put a copy into a folder below, or a link in a circle beside it."""
    name = random.choice(("loop", "run_7_repetition_7", "again"))
    place = file.parent / name
    if os.path.lexists(place):
        return
    if name == "again":
        place.mkdir()
        shutil.copy(file, place)
    else:
        place.symlink_to(file.parent)


DAMAGES: tuple[Callable[[Path, Random], None], ...] = (
    cut, overwrite, noise, encode, nul, header_twice, column_twice, no_column, lines_moved, cell,
    cell, column, separators, quote, long_line, gone, folder_instead, pipe_instead, link_to_itself,
    other_folder,
)  # fmt: skip
