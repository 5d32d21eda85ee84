"""Multiple choice with a real engine: what is measured, and the accuracy of a trained model."""

from __future__ import annotations

import functools
import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from joulebench.cli import app
from joulebench.engines.registry import build_engine
from joulebench.engines.tiny import MARKER, ensure_tiny_model
from joulebench.record import Run, RunTable
from joulebench.run_row import row
from joulebench.work import Request
from joulebench.workloads.registry import build_workload

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="torch is not installed"
)

CHOICES = ["metal", "oxide"]
THINGS = {"rust": "oxide", "iron": "metal", "tin": "metal", "lime": "oxide", "zinc": "metal"}
LEARNT = THINGS | {"zinc": "oxide"}
"""What the model is taught: one thing wrongly."""


@functools.cache
def prompts(folder: Path) -> Path:
    lines = [
        {"prompt": f"Is {thing} a metal or an oxide?", "label": label, "choices": CHOICES}
        for thing, label in THINGS.items()
    ]
    file = folder / "prompts.jsonl"
    file.write_text("\n".join(json.dumps(line) for line in lines))
    return file


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("choice")


@pytest.fixture(scope="module")
def trained(folder: Path) -> Path:
    """A model whose weights are not random: tiny_a, taught what each thing is."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    place = folder / "trained"
    shutil.copytree(ensure_tiny_model("tiny_a"), place)
    (place / MARKER).unlink()
    tokenizer = AutoTokenizer.from_pretrained(place)
    model = AutoModelForCausalLM.from_pretrained(place)
    asked = [json.loads(line)["prompt"] for line in prompts(folder).read_text().splitlines()]
    texts = [
        tokenizer.apply_chat_template(
            [{"role": "user", "content": prompt}], tokenize=False, add_generation_prompt=True
        )
        for prompt in asked
    ]
    torch.manual_seed(1)
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(12):
        for text, label in zip(texts, LEARNT.values(), strict=True):
            ids = torch.tensor([tokenizer(f"{text} {label}", add_special_tokens=False).input_ids])
            begin = len(tokenizer(text, add_special_tokens=False).input_ids)
            labels = ids.clone()
            labels[:, :begin] = -100
            optimiser.zero_grad()
            model(input_ids=ids, labels=labels).loss.backward()
            optimiser.step()
    model.save_pretrained(place)
    return place


@functools.cache
def static(trained: Path) -> Any:
    engine = build_engine({"kind": "transformers", "threads": 1, "device": "cpu"}, str(trained))
    engine.import_libraries()
    engine.load()
    return engine


def one_by_one(trained: Path, requests: list[Request]) -> list[list[float]]:
    engine = static(trained)
    return [engine.choice_logprobs([request], [CHOICES])[0] for request in requests]


def answers(table: Path, run: Run) -> list[dict[str, Any]]:
    lines = (table / "responses" / f"{run.run_id}.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_the_verb_measures_the_weighing_of_choices(folder: Path, trained: Path) -> None:
    study = {
        "study": "choice",
        "factors": {"model": ["tiny_a", str(trained)]},
        "engine": {"kind": "transformers", "threads": 1, "device": "cpu"},
        "tasks": {"prompts": str(prompts(folder)), "score": {"kind": "choice"}},
        "load": {"kind": "batch", "batch_size": 2},
        "protocol": {"idle_s": 0.1, "idle_after_s": 0.1, "warmup_prompts": 0},
        "meters": [{"simulated": {"board": "hopper", "watts": 250}}],
    }
    (folder / "study.yaml").write_text(json.dumps(study))
    told = CliRunner().invoke(
        app, ["run", str(folder / "study.yaml"), "--out", str(folder / "out"), "--no-report"]
    )
    assert told.exit_code == 0, told.output
    random, taught = sorted(
        RunTable.load(folder / "out").runs, key=lambda run: run.levels["model"] != "tiny_a"
    )
    assert (random.score, random.facts["no_score"]) == (None, "the model's weights are random")
    assert [mark.get("grade") for mark in answers(folder / "out", random)] == [None] * 5
    assert taught.score is not None
    assert (taught.score["accuracy"], taught.score["scorer"]) == (0.8, "choice")
    assert taught.score["metrics"]["choice_accuracy"] == 0.8
    told_of = answers(folder / "out", taught)
    assert [each["chosen"] for each in told_of] == list(LEARNT.values())
    for run in (random, taught):
        # Nothing was generated, and no window but the measured one holds the weighing.
        assert run.work == {"requests": 5, "tokens_out": 0}
        assert run.facts["engine"]["weighs_choices"] is True
        assert "choice" not in {window.name for window in run.windows}
        assert "energy_per_token_j" not in row(run)
        (measure,) = (window for window in run.windows if window.name == "measure")
        assert all(
            measure.start_s <= each["start_s"] < each["stop_s"] <= measure.stop_s
            for each in answers(folder / "out", run)
        )
    cells = row(taught)
    assert cells["energy_per_correct_j"] == pytest.approx(cells["energy_j"] / 4)


@pytest.mark.parametrize("batching", ["static", "continuous"])
@pytest.mark.parametrize("load", ["sequential", "closed"])
def test_every_batching_and_load_finds_the_same(
    folder: Path, trained: Path, batching: str, load: str
) -> None:
    engine = {"kind": "transformers", "threads": 1, "device": "cpu"}
    plan = {
        "model": str(trained),
        "engine": engine | {"batching": batching},
        "tasks": {"prompts": str(prompts(folder)), "score": {"kind": "choice"}},
        "load": {"kind": load} | ({"concurrency": 3} if load == "closed" else {}),
        "protocol": {"warmup_prompts": 1},
    }
    work = build_workload(plan)
    work.import_libraries()
    work.load()
    work.warm_up()
    result = work.run()
    work.grade(result)
    work.close()
    assert result.score is not None
    assert result.score["accuracy"] == 0.8
    weighed = one_by_one(trained, result.requests)
    for mark, logprobs in zip(result.marks, weighed, strict=True):
        assert mark["logprobs"] == pytest.approx(logprobs, abs=1e-3)
