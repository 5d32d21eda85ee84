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
    with pytest.raises(UsageError, match="has 2 items but 3 are asked for"):
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


LABELLED = (
    '{"prompt": "2 + 2?", "label": 4}\n'
    '{"prompt": "Colour?", "label": "dark blue", "choices": ["blue", "dark blue", "red"]}\n'
    '{"prompt": "Anything."}\n'
    '{"prompt": "Shade?", "label": "dark blue", "choices": ["dark", "dark blue"]}\n'
)


@pytest.mark.parametrize(
    ("number", "text", "right"),
    [
        (0, "4", True),
        (0, " **4.** ", True),
        (0, "The answer is 4", False),
        (0, "five", False),
        (0, " ", None),
        (1, "Dark blue.", True),
        (1, "I think that it is dark blue, as the sea.", True),
        (1, "blue", False),
        (1, "blue or red", None),
        (1, "green", None),
        (2, "anything", None),
        (3, "It is dark blue.", True),
        (3, "It is dark.", False),
    ],
)
def test_labels_are_compared(number: int, text: str, right: bool | None, tmp_path: Path) -> None:
    task = build_task("mine", {"prompts": written(tmp_path, LABELLED)})
    assert task.grade(task.requests()[number], text) is right


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ('"label": true', "label True must be text or a whole number"),
        ('"label": " "', "must be text or a whole number"),
        ('"label": "c", "choices": ["a", "b"]', "label 'c' is not one of the choices: a, b"),
        ('"choices": ["a"]', "must be a list of two labels or more"),
        ('"choices": "ab"', "must be a list of two labels or more"),
        ('"choices": ["a", "A."]', "holds one of them twice"),
    ],
)
def test_bad_labels_name_the_line(fields: str, says: str, tmp_path: Path) -> None:
    file = written(tmp_path, f'{{"prompt": "a"}}\n{{"prompt": "b", {fields}}}\n')
    with pytest.raises(UsageError) as error:
        build_task("mine", {"prompts": file})
    assert f"{file}:2: " in str(error.value)
    assert says in str(error.value)


def test_half_a_character_is_refused_with_its_line(tmp_path: Path) -> None:
    file = written(tmp_path, '{"prompt": "\\ud83d\\ude00"}\n{"prompt": "a \\ud800"}\n')
    with pytest.raises(UsageError, match=r":2: holds half a surrogate pair \('\\ud800'\)"):
        build_task("mine", {"prompts": file})


def test_a_seed_draws_prompts(tmp_path: Path) -> None:
    file = written(tmp_path, "".join(f'{{"prompt": "{n}"}}\n' for n in range(50)))
    drawn = [
        r.prompt for r in build_task("mine", {"prompts": file, "items": 9, "seed": 3}).requests()
    ]
    again = [
        r.prompt for r in build_task("mine", {"prompts": file, "items": 9, "seed": 3}).requests()
    ]
    assert drawn == again != [str(n) for n in range(9)]
    assert len(set(drawn)) == 9
    with pytest.raises(UsageError, match="seed = -1 must be"):
        build_task("mine", {"prompts": file, "seed": -1})


def test_prompts_without_a_file_say_what_to_write() -> None:
    with pytest.raises(UsageError, match=r"tasks: \{prompts: FILE\.jsonl\}"):
        build_task("prompts", {})
