"""How figures look, and how one drawing serves light and dark.

Figures are drawn with the light palette. In the page's copy every colour of the palette becomes a
CSS variable, so that it follows the reader's scheme; files on disk keep the light colours.
"""

from __future__ import annotations

import io
import re
import warnings
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MUTED, RULE, BAND = "#1c2126", "#56606b", "#c9d0d7", "#eef1f4"
SERIES = ("#0072b2", "#d55e00", "#009e73", "#b35a8c", "#9a6a00", "#3d8fc4", "#4d4d4d")
"""Okabe and Ito's colours, those too pale for thin lines on white darkened."""

WINDOWS = {
    "idle": "#8c959f",
    "load": "#e69f01",
    "warmup": "#f0c808",
    "measure": "#56b4e9",
    "idle_after": "#8c959f",
}
"""Shades of windows by name; others take :data:`OTHER_WINDOW`."""

OTHER_WINDOW = "#cc79a7"

LONGEST_LABEL = 40
"""Characters; a longer name leaves a figure no room for its data."""

VARIABLES = {
    INK: "--ink",
    MUTED: "--muted",
    RULE: "--rule",
    BAND: "--band",
    **{colour: f"--s{place}" for place, colour in enumerate(SERIES, 1)},
}
"""Colours of the palette that differ between light and dark, with their CSS variables."""

_RC: Any = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 8.0,
    "axes.unicode_minus": True,
    "path.simplify": True,
    "text.parse_math": False,
}


@dataclass(frozen=True)
class Picture:
    """A drawn figure.

    Args:
        name: File name without suffix; also the prefix of the ids inside its SVG.
        title: Short heading.
        alt: What it shows, for who cannot see it.
        caption: What to read off it and how it was made.
        svg: Standalone SVG text, light palette.
        png: The same as PNG.
        wide: Whether it needs the width of the page.
    """

    name: str
    title: str
    alt: str
    caption: str
    svg: str
    png: bytes
    wide: bool = False

    @property
    def inline(self) -> str:
        """The SVG for the page: colours as CSS variables, ids of its own, named for readers."""
        body = self.svg[self.svg.index("<svg") :]
        body = re.sub(r'\b(id="|href="#|url\(#)', rf"\g<1>{self.name}-", body)
        for colour, variable in VARIABLES.items():
            body = body.replace(colour, f"var({variable})")
        body = re.sub(r"font: (?:\d+ )?([\d.]+)px [^;\"]*", r"font-size: \1px", body)
        opening = f'<svg role="img" aria-label="{escape(self.alt)}"'
        return re.sub(r'<svg\b|(?<=\s)(?:width|height)="[\d.]+pt"', _Once(opening), body, count=3)

    def write(self, folder: Path) -> None:
        """Write ``NAME.svg`` and ``NAME.png``."""
        (folder / f"{self.name}.svg").write_text(self.svg, encoding="utf-8")
        (folder / f"{self.name}.png").write_bytes(self.png)


class _Once:
    """Replace the opening tag, and drop what else matches."""

    def __init__(self, opening: str) -> None:
        self.opening = opening

    def __call__(self, found: re.Match[str]) -> str:
        return self.opening if found[0].startswith("<svg") else ""


def canvas(width_pt: float, height_pt: float) -> tuple[Figure, Axes]:
    """Make an empty figure of a size in points, with one pair of axes in the house style."""
    from matplotlib import style
    from matplotlib.figure import Figure

    with style.context(_RC, after_reset=True):
        figure = Figure(figsize=(width_pt / 72, height_pt / 72), layout="constrained")
        axes = figure.add_subplot()
    return figure, in_house_style(axes)


def in_house_style(axes: Axes) -> Axes:
    """Give axes the house style: two spines, all of it pale beside the data; the same back."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(RULE)
    axes.tick_params(colors=MUTED, labelsize=8, length=3, width=0.6)
    axes.xaxis.label.set(color=MUTED, size=8)
    axes.yaxis.label.set(color=MUTED, size=8)
    axes.set_axisbelow(True)
    return axes


def rendered(figure: Figure, name: str, dpi: int = 200) -> tuple[str, bytes]:
    """Give a figure as SVG text and PNG bytes, the same for the same drawing.

    Args:
        figure: The drawing.
        name: Its name, which ids inside the SVG are made of.
        dpi: Dots an inch of the PNG.
    """
    from matplotlib import style

    svg, png = io.BytesIO(), io.BytesIO()
    salted: Any = {**_RC, "svg.hashsalt": name}
    with style.context(salted, after_reset=True), warnings.catch_warnings():
        # The page's SVG holds text, for which a reader's own fonts have the letters.
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from", UserWarning)
        metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(svg, format="svg", metadata=metadata)
        figure.savefig(png, format="png", dpi=dpi, metadata={"Software": None}, facecolor="white")
    return svg.getvalue().decode(), png.getvalue()


def label_text(text: str) -> str:
    """Give a name as one line that a figure has room for, without control characters."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= LONGEST_LABEL else line[: LONGEST_LABEL - 1].rstrip() + "…"


def clear_background(figure: Figure) -> None:
    """Let the page show through."""
    figure.patch.set_alpha(0)
    for axes in figure.axes:
        axes.patch.set_alpha(0)
