from __future__ import annotations

from pathlib import Path

import pytest

from joulebench.errors import UsageError
from joulebench.tasks.registry import build_task


def written(folder: Path, text: str) -> str:
    file = folder / "mine.jsonl"
    file.write_text(text, "utf-8")
    return str(file)


def test_prompts_come_in_order_and_are_not_graded(tmp_path: Path) -> None:
    file = written(tmp_path, '{"prompt": "One?"}\n\n{"prompt": "Two\u2028?", "more": 1}\n')
    task = build_task("mine", {"prompts": file})
    assert [(r.request_id, r.prompt) for r in task.requests()] == [
        ("mine-0000", "One?"),
        ("mine-0001", "Two\u2028?"),
    ]
    assert task.grade(task.requests()[0], "Yes.") is None


def test_items_takes_the_first_ones(tmp_path: Path) -> None:
    file = written(tmp_path, '{"prompt": "a"}\n{"prompt": "b"}\n')
    assert len(build_task("mine", {"prompts": file, "items": 1}).requests()) == 1
    with pytest.raises(UsageError, match="has 2 prompts"):
        build_task("mine", {"prompts": file, "items": 3})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no prompts"),
        ('{"prompt": "a"}\n{"promt": "b"}\n', ":2: field 'prompt' is missing"),
        ('{"prompt": " "}\n', ":1: field 'prompt'"),
        ('{"prompt": \n', ":1: not JSON"),
    ],
)
def test_bad_files_name_the_line(text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as error:
        build_task("mine", {"prompts": written(tmp_path, text)})
    assert says in str(error.value)


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        build_task("mine", {"prompts": str(tmp_path / "none.jsonl")})
