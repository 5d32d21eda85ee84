"""Reads the pages of the documentation: blocks with their marks, commands, sections, links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]

_COMMENT = re.compile(r"<!-- (.*) -->")
_FENCE = re.compile(r"```(\w*)\n")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*(?:e[+-]\d+)?")


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Args:
        page: Where it stands.
        line: Of its first line, from 1.
        language: After the fence.
        text: What is in it.
        mark: The comment on the line before it; empty if there is none.
    """

    page: Path
    line: int
    language: str
    text: str
    mark: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


@dataclass(frozen=True)
class Command:
    """A line of a console block after its prompt, with the output that the page shows."""

    block: Block
    line: str
    shown: str

    def __str__(self) -> str:
        return f"{self.block} {self.line}"


def blocks(page: Path, language: str = "") -> list[Block]:
    """Give the blocks of a page, or those of one language."""
    return [block for block in _blocks(page) if language in ("", block.language)]


def all_blocks(language: str) -> list[Block]:
    """Give the blocks of one language of all pages."""
    return [block for page in PAGES for block in blocks(page, language)]


def _blocks(page: Path) -> Iterator[Block]:
    lines = page.read_text("utf-8").splitlines(keepends=True)
    begin, language = 0, ""
    for number, line in enumerate(lines, start=1):
        fence = _FENCE.match(line)
        if not begin and fence:
            begin, language = number, fence[1]
        elif begin and line.startswith("```"):
            comment = _COMMENT.match(lines[begin - 2]) if begin > 1 else None
            text = "".join(lines[begin : number - 1])
            yield Block(page, begin + 1, language, text, comment[1] if comment else "")
            begin = 0


def output_of(block: Block) -> str | None:
    """Give the text block that directly follows a block; ``None`` if there is none."""
    after = block.line + block.text.count("\n") + 3
    found = [b for b in blocks(block.page, "text") if b.line == after]
    return found[0].text if found else None


def commands() -> list[Command]:
    """Give the commands of all console blocks, lines that go on joined."""
    return [command for block in all_blocks("console") for command in _commands(block)]


def _commands(block: Block) -> Iterator[Command]:
    for part in re.split(r"^\$ ", block.text.replace("\\\n", " "), flags=re.MULTILINE)[1:]:
        line, _, shown = part.partition("\n")
        yield Command(block, line, shown)


def sections(page: Path) -> dict[str, str]:
    """Give the text below each heading, up to the next heading of any depth, by heading."""
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    parts = re.split(r"^#+ (.*)\n", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def rows(text: str) -> list[list[str]]:
    """Give the cells of all tables, headings and rules left out."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    ruled = {place for place, line in enumerate(lines) if set(line) <= set("|- ")}
    kept = [line for n, line in enumerate(lines) if n not in ruled and n + 1 not in ruled]
    return [[cell.strip() for cell in line.strip("|").split(" |")] for line in kept]


def tables(page: Path) -> dict[str, list[list[str]]]:
    """Give the rows of each table of a page that is headed NAME, default, meaning, by name."""
    found: dict[str, list[list[str]]] = {}
    for text in sections(page).values():
        for table in re.split(r"\n(?!\|)", text):
            head = re.search(r"^\| (.+) \| default \| meaning \|$", table, re.MULTILINE)
            if head:
                found.setdefault(head[1].strip("`"), []).extend(rows(table))
    return found


def anchors(page: Path) -> set[str]:
    """Give what a link can point to in a page, as GitHub names headings."""
    kept = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in sections(page)]
    return {heading.replace(" ", "-") for heading in kept}


def links(page: Path) -> list[str]:
    """Give the targets of a page's links and pictures that are not on the web."""
    found = re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8"))
    return [target for target in found if not target.startswith(("http:", "https:"))]


def alike(shown: str, printed: str, *, exactly: bool = False) -> bool:
    """Compare an output on a page with a real one.

    Blank lines and the width of gaps do not count, numbers only if ``exactly``; a line ``...``
    stands for any lines.
    """
    pattern = "".join(
        r"(?:.*\n)*" if line == "..." else re.escape(line) + r"\n"
        for line in _plain(shown, exactly=exactly)
    )
    text = "".join(line + "\n" for line in _plain(printed, exactly=exactly))
    return re.fullmatch(pattern, text) is not None


def _plain(text: str, *, exactly: bool) -> list[str]:
    lines = [re.sub(r"[ ─]+", " ", line).strip() for line in text.splitlines()]
    return [line if exactly else _NUMBER.sub("0", line) for line in lines if line]
