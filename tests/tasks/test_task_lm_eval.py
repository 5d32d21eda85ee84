"""Tasks of lm_eval: the same figures as its own evaluation gives, and bad input in one line."""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from joulebench.engines.echo import EchoEngine
from joulebench.errors import Unavailable, UsageError
from joulebench.tasks.lm_eval import LmEvalTask
from joulebench.tasks.registry import build_task
from joulebench.work import Load, Request, Sampling
from joulebench.workloads.generate import GenerateWorkload
from joulebench.workloads.workload import WorkResult

needs_lm_eval = pytest.mark.skipif(
    importlib.util.find_spec("lm_eval") is None,
    reason="lm_eval is not installed (pip install 'joulebench[lm-eval]')",
)
pytestmark = needs_lm_eval

COLOURS = ["red", "green", "blue", "dark yellow"]
DOCS = [
    {"question": f"Which colour has thing {n} of the passage?", "choices": COLOURS, "label": n % 4}
    for n in range(12)
]
CHOICE = {
    "task": "colours",
    "output_type": "multiple_choice",
    "doc_to_text": "Question: {{question}}\nAnswer:",
    "doc_to_choice": "choices",
    "doc_to_target": "label",
    "metric_list": [
        {"metric": name, "aggregation": "mean", "higher_is_better": True}
        for name in ("acc", "acc_norm", "brier_score")
    ],
    "metadata": {"version": 1.5},
}
CHOICE["metric_list"][2]["aggregation"] = "brier_score"  # type: ignore[index]
SUMS = {
    "task": "sums",
    "output_type": "generate_until",
    "doc_to_text": "{{question}}",
    "doc_to_target": "{{answer}}",
    "generation_kwargs": {"until": ["\n", "Q:"], "max_gen_toks": 9, "do_sample": False},
    "filter_list": [
        {"name": "number", "filter": [{"function": "regex", "regex_pattern": "([0-9]+)"},
                                      {"function": "take_first"}]},
        {"name": "bare", "filter": [{"function": "take_first"}]},
    ],
    "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
}  # fmt: skip


def write(folder: Path, config: dict[str, Any], docs: Sequence[Any], **more: Any) -> dict[str, str]:
    """Write a task of our own over a local file; nothing is fetched."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "docs.jsonl"
    lines = (doc if isinstance(doc, str) else json.dumps(doc) for doc in docs)
    file.write_text("".join(line + "\n" for line in lines), "utf-8")
    data = {
        "dataset_path": "json",
        "dataset_kwargs": {
            "data_files": {"validation": str(file)},
            "cache_dir": str(folder / "cache"),
        },
        "validation_split": "validation",
    }
    (folder / "task.yaml").write_text(yaml.safe_dump({**config, **data, **more}), "utf-8")
    return {"include_path": str(folder)}


def answered(task: LmEvalTask, engine: Any, batch_size: int = 5) -> WorkResult:
    """Run a task through the whole path."""
    load = Load("batch", batch_size=batch_size)
    workload = GenerateWorkload(task.engine_for(engine), task, load, Sampling(), 1)
    workload.import_libraries()
    workload.load()
    workload.warm_up()
    result = workload.run()
    workload.grade(result)
    workload.close()
    return result


@pytest.fixture(scope="module")
def plain_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The tiny model without its chat template and our marker: it counts as trained."""
    from joulebench.engines.tiny import ensure_tiny_model

    folder = tmp_path_factory.mktemp("models") / "plain"
    left = shutil.ignore_patterns("chat_template.jinja", "joulebench.json")
    shutil.copytree(ensure_tiny_model("tiny_a"), folder, ignore=left)
    return str(folder)


def own_evaluation(model: str, name: str, options: dict[str, str], **more: Any) -> dict[str, Any]:
    """Evaluate as lm_eval does, with its own model class."""
    from lm_eval import evaluator
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    with pytest.MonkeyPatch.context() as patch:
        # What it tells of the machine takes seconds, and asks pip.
        patch.setattr(evaluator, "add_env_info", lambda _results: None)
        found = evaluator.simple_evaluate(
            model=HFLM(pretrained=model, device="cpu", dtype="float32", batch_size=4),
            tasks=[name],
            task_manager=TaskManager(include_path=options["include_path"], include_defaults=False),
            bootstrap_iters=0,
            **more,
        )
    assert found is not None
    return dict(found)


@pytest.mark.filterwarnings("ignore")  # of lm_eval's own evaluation
@pytest.mark.parametrize("num_fewshot", [0, 2])
def test_multiple_choice_is_what_lm_eval_itself_finds(
    num_fewshot: int, plain_model: str, tmp_path: Path
) -> None:
    from joulebench.engines.transformers import TransformersEngine

    words = ["sea", "a tall tree", "bread", "the cold wind", "iron", "a small river", "salt"]
    docs = [
        {
            "question": f"What is {words[n % 5]} next to {n}?",
            "choices": [words[(n + step) % 7] for step in (1, 2, 4, 6)],
            "label": n * n % 4,
        }
        for n in range(12)
    ]
    options = write(tmp_path, CHOICE, docs)
    found = own_evaluation(plain_model, "colours", options, num_fewshot=num_fewshot)
    expected = found["results"]["colours"]
    task = LmEvalTask("lm-eval:colours", lm_eval={**options, "num_fewshot": num_fewshot})
    result = answered(task, TransformersEngine(plain_model, threads=1, device="cpu"))
    assert result.score is not None
    metrics = result.score["metrics"]
    assert metrics["acc"] == expected["acc,none"]
    assert metrics["acc_norm"] == expected["acc_norm,none"]
    assert metrics["brier_score"] == pytest.approx(expected["brier_score,none"], rel=1e-6)
    assert result.score["accuracy"] == expected["acc,none"]
    assert 0 < metrics["acc"] < 1
    own = {sample["doc_id"]: sample["resps"] for sample in found["samples"]["colours"]}
    for n, response in enumerate(result.responses):
        logprobs = [float(pair[0][0]) for pair in own[n]]
        assert json.loads(response.text)["logprobs"] == pytest.approx(logprobs, abs=1e-4)
    assert result.work == {"requests": 12, "tokens_out": 0}
    facts = result.facts["lm_eval"]
    assert (facts["num_fewshot"], facts["task_version"]) == (num_fewshot, 1.5)


class Chooser(EchoEngine):
    """Holds the answer for likeliest that it is told."""

    def __init__(self, wanted: str = "blue") -> None:
        super().__init__()
        self.wanted = wanted
        self.asked: list[tuple[str, list[str]]] = []

    def choice_logprobs(
        self, requests: Sequence[Request], choices: Sequence[Sequence[str]]
    ) -> list[list[float]]:
        self.asked += [(r.prompt, list(c)) for r, c in zip(requests, choices, strict=True)]
        return [[-1.0 if c == self.wanted else -2.5 for c in each] for each in choices]


def test_answers_are_weighed_and_told(tmp_path: Path) -> None:
    task = LmEvalTask("lm-eval:colours", lm_eval=write(tmp_path, CHOICE, DOCS), items=8)
    engine = Chooser()
    result = answered(task, engine)
    assert engine.asked[-1] == (
        "Question: Which colour has thing 7 of the passage?\nAnswer:",
        COLOURS,
    )
    assert json.loads(result.responses[0].text) == {
        "likeliest": 2,
        "logprobs": [-2.5, -2.5, -1.0, -2.5],
    }
    assert result.score is not None
    assert (result.score["n_correct"], result.score["n_graded"]) == (2, 8)
    assert result.responses[0].to_dict()["tokens_in"] is None
    assert [mark["grade"] for mark in result.marks] == [n % 4 == 2 for n in range(8)]


def test_inputs_with_one_answer_each_are_weighed_one_by_one(tmp_path: Path) -> None:
    docs = [{"label": n % 2, "options": ["The red one", "The blue one"], "end": "fell."}
            for n in range(4)]  # fmt: skip
    config = CHOICE | {"doc_to_text": "label", "doc_to_choice": "options", "doc_to_target": "end"}
    config["metric_list"] = CHOICE["metric_list"][:1]  # type: ignore[index]
    task = LmEvalTask("lm-eval:colours", lm_eval=write(tmp_path, config, docs))
    engine = Chooser()
    result = answered(task, engine)
    assert engine.asked[-2:] == [("The red one", ["fell."]), ("The blue one", ["fell."])]
    assert result.score is not None
    assert result.score["metrics"] == {"acc": 0.5}  # a tie goes to the first


def test_metrics_that_tell_no_right_from_wrong_stand_beside_the_score(tmp_path: Path) -> None:
    config = CHOICE | {"metric_list": CHOICE["metric_list"][2:]}  # type: ignore[index]
    task = LmEvalTask("lm-eval:colours", lm_eval=write(tmp_path, config, DOCS))
    result = answered(task, Chooser())
    assert result.score is None
    assert result.facts["no_score"] == "no answer could be graded"
    assert 0.5 < result.facts["metrics"]["brier_score"] < 1


def test_an_engine_without_likelihoods_is_refused(tmp_path: Path) -> None:
    task = LmEvalTask("lm-eval:colours", lm_eval=write(tmp_path, CHOICE, DOCS))
    with pytest.raises(UsageError, match="how likely an answer is, and engine 'echo' does not"):
        task.engine_for(EchoEngine())


def test_generated_answers_are_cut_filtered_and_measured(tmp_path: Path) -> None:
    docs = [{"question": "It is 4\nthen 5", "answer": "4"}, {"question": "7 Q: 8", "answer": "7 "},
            {"question": "none", "answer": "1"}]  # fmt: skip
    task = LmEvalTask("lm-eval:sums", lm_eval=write(tmp_path, SUMS, docs))
    result = answered(task, EchoWhole())
    assert result.score is not None
    metrics = result.score["metrics"]
    assert metrics["exact_match,number"] == pytest.approx(1 / 3)
    assert metrics["exact_match,bare"] == pytest.approx(1 / 3)
    assert metrics["answers_cut"] == 2
    facts = result.facts["lm_eval"]
    assert (facts["until"], facts["max_gen_toks"]) == (["\n", "Q:"], 9)
    assert facts["output_type"] == "generate_until"


class EchoWhole(EchoEngine):
    """Says the prompt back with its line ends."""

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> list[Any]:
        from dataclasses import replace

        said = super().generate(requests, sampling)
        return [replace(a, text=r.prompt) for a, r in zip(said, requests, strict=True)]


@pytest.mark.filterwarnings("ignore")
def test_generated_answers_are_graded_as_lm_eval_itself_does(
    plain_model: str, tmp_path: Path
) -> None:
    """Give both the same answers: those that the model really generates, as lm_eval logs them."""
    docs = [{"question": f"What is {n} and {n}?", "answer": "e"} for n in range(6)]
    loose = SUMS | {"metric_list": [{"metric": "exact_match", "aggregation": "mean",
                                     "higher_is_better": True, "ignore_case": True}]}  # fmt: skip
    loose["filter_list"] = [
        {"name": "letter", "filter": [{"function": "regex", "regex_pattern": "([a-e])"},
                                      {"function": "take_first"}]}]  # fmt: skip
    options = write(tmp_path, loose, docs)
    found = own_evaluation(plain_model, "sums", options)
    said = {sample["doc_id"]: sample["resps"][0][0] for sample in found["samples"]["sums"]}
    task = LmEvalTask("lm-eval:sums", lm_eval=options)
    answers = [(r, said[n], task.grade(r, said[n])) for n, r in enumerate(task.requests())]
    measured = task.metrics(answers)["exact_match,letter"]
    assert measured == found["results"]["sums"]["exact_match,letter"]
    assert measured == sum(bool(grade) for _, _, grade in answers) / 6


def test_documents_are_the_first_ones_unless_a_seed_draws_them(tmp_path: Path) -> None:
    options = write(tmp_path, CHOICE, DOCS)
    every = [r.prompt for r in LmEvalTask("lm-eval:colours", lm_eval=options).requests()]
    first = LmEvalTask("lm-eval:colours", lm_eval=options, items=3).requests()
    assert [r.prompt for r in first] == every[:3]
    assert [r.request_id for r in first] == ["colours-0000", "colours-0001", "colours-0002"]
    drawn = LmEvalTask("lm-eval:colours", lm_eval=options, items=3, seed=1)
    prompts = [r.prompt for r in drawn.requests()]
    assert prompts != every[:3]
    assert set(prompts) <= set(every)
    (right,) = [n for n in range(4) if drawn.grade(drawn.requests()[0], weighed(n))]
    assert right == DOCS[every.index(prompts[0])]["label"]


def test_a_group_is_refused_before_the_data_of_its_tasks_is_fetched(tmp_path: Path) -> None:
    options = write(tmp_path, CHOICE | {"tag": "shades"}, DOCS)
    (tmp_path / "docs.jsonl").unlink()
    (tmp_path / "group.yaml").write_text("group: all_colours\ntask:\n  - colours\n", "utf-8")
    for name in ("all_colours", "shades"):
        with pytest.raises(UsageError, match=r"is a group of several.*task: lm-eval:colours$"):
            LmEvalTask(f"lm-eval:{name}", lm_eval=options)


def weighed(likeliest: int) -> str:
    return json.dumps({"logprobs": [-1.0 if n == likeliest else -9.0 for n in range(4)]})


@pytest.mark.parametrize(
    ("config", "docs", "says"),
    [
        (CHOICE, [*DOCS[:2], "{broken"], "docs.jsonl:3: not JSON"),
        (
            CHOICE,
            [DOCS[0], DOCS[1] | {"label": 4}],
            "label 4 of document 1 (from 0) is none of its",
        ),
        (CHOICE, [DOCS[0] | {"label": -1}], "label -1 of document 0"),
        (CHOICE | {"doc_to_text": "{{query}}?"}, DOCS, "'query' is undefined"),
        (CHOICE | {"doc_to_choice": "{{options}}"}, DOCS, "'options' is undefined"),
        (CHOICE | {"output_type": "loglikelihood_rolling"}, DOCS, "'loglikelihood_rolling'; these"),
        (CHOICE | {"repeats": 3}, DOCS, "asks everything 3 times"),
        (CHOICE | {"target_delimiter": ""}, DOCS, "no blank between question and answer"),
        (CHOICE | {"metric_list": [{"metric": "exact_match"}]}, DOCS, "is the likeliest of all"),
        (CHOICE | {"metric_list": [{"metric": "acc_mutual_info"}]}, DOCS, "without a question"),
        (CHOICE, [], "colours"),
    ],
)
def test_bad_tasks_and_data_are_refused_in_one_line(
    config: dict[str, Any], docs: list[Any], says: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError) as error:
        LmEvalTask("lm-eval:colours", lm_eval=write(tmp_path, config, docs))
    assert says in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"include_path": "/no/such"}, "include_path '/no/such' is no folder"),
        ({"include": "x"}, "did you mean 'include_path'"),
        ({"num_fewshot": -1}, "num_fewshot = -1 must be a whole number from 0"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError) as error:
        LmEvalTask("lm-eval:colours", lm_eval=options)
    assert says in str(error.value)


def test_the_registry_knows_them(tmp_path: Path) -> None:
    options = write(tmp_path, CHOICE, DOCS)
    tasks = {"data": "demo", "prompt": "short", "items": 2, "lm_eval": options}
    assert len(build_task("lm-eval:colours", tasks).requests()) == 2
    assert len(build_task("rte", tasks).requests()) == 2
    with pytest.raises(UsageError, match="made of prompts, which an encoder does not take"):
        build_task("lm-eval:colours", tasks, encoded=True)


def test_without_the_package_the_install_line_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "lm_eval.tasks", None)
    with pytest.raises(Unavailable, match=r"pip install 'joulebench\[lm-eval\]'"):
        LmEvalTask("lm-eval:colours")
