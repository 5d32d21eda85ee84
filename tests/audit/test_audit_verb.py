"""``joulebench audit`` as a person types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from joulebench.cli import invoke

SOUND = "model,batch,repetition,energy_j,duration_s,tokens_out\n" + "".join(
    f"{model},{batch},{rep},{(300 + 7 * rep) * factor:.2f},{(3.1 + 0.05 * rep) * factor:.3f},512\n"
    for rep in range(3)
    for model, factor in (("small", 1.0), ("large", 4.1))
    for batch in (1,)
)
DOUBLED = "run_id,cpu_energy_j,gpu_energy_j,total_energy_j,duration_s\n" + "".join(
    f"r{n},{100.3 + 7.1 * n:.1f},{900.7 + 31.3 * n:.1f},"
    f"{2 * (100.3 + 7.1 * n) + 900.7 + 31.3 * n:.1f},{10 + n}\n"
    for n in range(6)
)


@pytest.fixture
def doubled(tmp_path: Path) -> Path:
    path = tmp_path / "doubled.csv"
    path.write_text(DOUBLED)
    return path


def test_an_error_is_told_with_status_1(doubled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["audit", str(doubled)]) == 1
    told = capsys.readouterr().out
    assert "error  double-counted-channel" in told
    assert "verdict: wrong; some of these numbers are wrong (1 error" in told


def test_a_sound_table_is_called_sound(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "sound.csv"
    path.write_text(SOUND)
    assert invoke(["audit", str(path)]) == 0
    assert "verdict: sound" in capsys.readouterr().out


def test_json_has_all_keys_of_each_finding(
    doubled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke(["audit", str(doubled), "--json", "-"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["verdict"] == "wrong"
    keys = {"rule", "severity", "where", "seen", "possible", "message", "remedy"}
    assert {frozenset(finding) for finding in found["findings"]} == {frozenset(keys)}


def test_warnings_fail_only_where_strict_is_asked(tmp_path: Path) -> None:
    path = tmp_path / "single.csv"
    path.write_text("model,energy_j,duration_s\na,301.5,3.1\nb,410.2,4.0\nc,512.9,5.2\n")
    assert invoke(["audit", str(path)]) == 0
    assert invoke(["audit", str(path), "--strict"]) == 1


def test_fix_writes_beside_and_never_over(
    doubled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = doubled.read_bytes()
    out = tmp_path / "fixed"
    assert invoke(["audit", str(doubled), "--fix", str(out)]) == 1
    lines = (out / "doubled.csv").read_text().splitlines()
    assert lines[0].endswith("total_energy_j,total_energy_j_published,duration_s,corrected_by")
    assert lines[1].split(",")[3:5] == ["1001", "1101.3"]
    assert doubled.read_bytes() == before
    assert invoke(["audit", str(doubled), "--fix", str(out)]) == 2
    assert invoke(["audit", str(doubled), "--fix", str(tmp_path)]) == 2
    capsys.readouterr()


def test_fix_says_when_nothing_is_determined(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "sound.csv"
    path.write_text(SOUND)
    assert invoke(["audit", str(path), "--fix", str(tmp_path / "fixed")]) == 0
    assert "nothing was corrected" in capsys.readouterr().out
    assert not (tmp_path / "fixed").exists()


def test_a_board_that_nobody_knows_is_refused(
    doubled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke(["audit", str(doubled), "--gpu", "rtx-9999"]) == 2
    assert "rtx-9999" in capsys.readouterr().err


def test_the_board_that_the_user_names_bounds_the_power(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "power.csv"
    path.write_text(
        "model,gpu_energy_j,duration_s\n"
        + "".join(f"m{n},{e},3.1\n" for n, e in enumerate((151, 183, 902, 164)))
    )
    invoke(["audit", str(path), "--json", "-"])
    rules = {each["rule"] for each in json.loads(capsys.readouterr().out)["findings"]}
    assert "power-above-limit" not in rules
    assert invoke(["audit", str(path), "--gpu", "l4", "--json", "-"]) == 1
    rules = {each["rule"] for each in json.loads(capsys.readouterr().out)["findings"]}
    assert "power-above-limit" in rules


@pytest.mark.parametrize("words", [["nowhere.csv"], []])
def test_misuse_ends_in_one_line(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert invoke(["audit", *words]) == 2
    assert capsys.readouterr().err.count("\n") == 1
