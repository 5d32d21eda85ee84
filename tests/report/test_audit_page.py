"""The page of an audit: whole, quiet, and it fits."""

from __future__ import annotations

from pathlib import Path

import pytest
from browser import Browser
from synthetic_study import Recipe, make_study

from joulebench.audit.examine import examine_results
from joulebench.report.audit_page import write_audit_page

TABLE = "run_id,cpu_energy_j,gpu_energy_j,total_energy_j,duration_s\n" + "".join(
    f"r{n},{100.3 + 7.1 * n:.1f},{900.7 + 31.3 * n:.1f},"
    f"{2 * (100.3 + 7.1 * n) + 900.7 + 31.3 * n:.1f},{10 + n}\n"
    for n in range(6)
)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("audit")
    make_study(folder / "study", Recipe())
    (folder / "<b>published.csv").write_text(TABLE)
    examined = examine_results(folder / "study", folder / "<b>published.csv")
    write_audit_page(examined, ["study", "<b>published.csv"], folder / "audit.html")
    return folder / "audit.html"


def test_the_page_says_what_was_found_and_what_it_should_have_been(page: Path) -> None:
    text = page.read_text()
    assert "Some of these numbers are wrong" in text
    assert 'id="finding-double-counted-channel"' in text
    assert "Published and corrected figures" in text
    assert "<b>published" not in text


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_renders_without_complaint_or_request(
    browser: Browser, page: Path, scheme: str, width: int
) -> None:
    browser.size(width)
    browser.scheme(scheme)
    browser.open(page)
    assert browser.complaints() == []
    assert [url for url in browser.requests() if not url.startswith("data:")] == [page.as_uri()]
    assert browser.value("document.documentElement.scrollWidth") <= width
    assert browser.value("document.querySelectorAll('figure svg').length") >= 1


def test_a_sound_study_says_so(tmp_path: Path) -> None:
    (tmp_path / "sound.csv").write_text(
        "model,repetition,energy_j,duration_s\n"
        + "".join(f"{m},{r},{300 * f + r:.1f},{3 * f:.2f}\n" for r in range(3)
                  for m, f in (("a", 1.07), ("b", 4.13)))
    )  # fmt: skip
    examined = examine_results(tmp_path / "sound.csv")
    assert examined.verdict == "sound", examined.findings
    write_audit_page(examined, ["sound.csv"], tmp_path / "audit.html")
    text = (tmp_path / "audit.html").read_text()
    assert "Nothing was found that speaks against these numbers" in text
    assert "Published and corrected" not in text
