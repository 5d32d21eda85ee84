"""The page in a real browser: quiet, alone, and it fits."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from browser import Browser
from synthetic_study import Recipe, make_study

from joulebench.report import build_report


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    make_study(folder, Recipe(failed=1))
    return build_report(folder)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390, 360])
def test_renders_without_complaint_or_request(
    browser: Browser, page: Path, tmp_path: Path, scheme: str, width: int
) -> None:
    browser.size(width)
    browser.scheme(scheme)
    browser.open(page)
    assert browser.screenshot(tmp_path / "page.png").startswith(b"\x89PNG")
    assert browser.complaints() == []
    assert [url for url in browser.requests() if not url.startswith("data:")] == [page.as_uri()]
    assert browser.value("document.documentElement.scrollWidth") <= width
    assert browser.value("document.querySelectorAll('figure svg').length") == 10


def test_light_and_dark_differ_and_figures_follow(browser: Browser, page: Path) -> None:
    browser.size(1280)
    seen = {}
    for scheme in ("light", "dark"):
        browser.scheme(scheme)
        browser.open(page)
        seen[scheme] = browser.value(
            "[getComputedStyle(document.body).backgroundColor,"
            " getComputedStyle(document.querySelector('figure svg text')).fill]"
        )
    assert all(one != other for one, other in zip(seen["light"], seen["dark"], strict=True))


def test_a_complaint_would_be_seen(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "bad.html"
    path.write_text("<script>console.error('no'); undefined_name;</script>")
    browser.open(path)
    browser.value("1")
    assert len(browser.complaints()) == 2


def test_figures_are_legible_on_a_phone(browser: Browser, page: Path) -> None:
    browser.size(360)
    browser.open(page)
    sizes = browser.value(
        "[...document.querySelectorAll('figure svg text')].map(t =>"
        " parseFloat(getComputedStyle(t).fontSize) * t.ownerSVGElement.getScreenCTM().a)"
    )
    assert min(sizes) >= 7, "in CSS pixels"


def test_the_table_of_runs_sorts(browser: Browser, page: Path) -> None:
    browser.size(1280)
    browser.open(page)
    table = "document.getElementById('runs').closest('section').querySelector('table')"
    place = f"[...{table}.tHead.rows[0].cells].findIndex(c => c.textContent.startsWith('Energy'))"
    for press, turned in ((1, False), (2, True)):
        browser.value(f"{table}.tHead.rows[0].cells[{place}].querySelector('button').click()")
        keys = browser.value(f"[...{table}.tBodies[0].rows].map(r => r.cells[{place}].dataset.key)")
        numbers = [float(key) for key in keys if key]
        assert len(keys) == 18
        assert keys[-1] == "", f"an absent value comes last, press {press}"
        assert numbers == sorted(numbers, reverse=turned)


def test_a_mark_leads_to_its_finding(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.value("document.querySelector('.mark a').click()")
    assert browser.value("document.querySelector(':target').id") == "finding-thermal-drift"


def test_colours_of_text_have_contrast_enough(browser: Browser, page: Path) -> None:
    names = ("ink", "muted", "link", "measured", "modelled", "estimated", "simulated", "error",
             "warning", "note")  # fmt: skip
    for scheme in ("light", "dark"):
        browser.scheme(scheme)
        browser.open(page)
        style = "getComputedStyle(document.documentElement).getPropertyValue"
        for ground in ("paper", "band"):
            behind = _luminance(browser.value(f"{style}('--{ground}')"))
            for name in names:
                front = _luminance(browser.value(f"{style}('--{name}')"))
                light, dark = max(front, behind), min(front, behind)
                assert (light + 0.05) / (dark + 0.05) >= 4.5, (scheme, name, ground)


def _luminance(colour: str) -> float:
    """Relative luminance of WCAG 2.1."""
    found = re.fullmatch(r"#(..)(..)(..)", colour.strip())
    assert found, colour
    parts = [int(part, 16) / 255 for part in found.groups()]
    red, green, blue = (p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
