from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import encoder_models
import pytest
from engine_cases import needs_torch

from joulebench.channel import Channel, Window
from joulebench.energy import Trace
from joulebench.engines.encoder import EncoderEngine
from joulebench.errors import UsageError
from joulebench.record import Run
from joulebench.run_row import row
from joulebench.tasks.encoded import ENCODERS
from joulebench.tasks.registry import build_task
from joulebench.work import Encoding, Load, Request, Sampling
from joulebench.workloads.generate import GenerateWorkload

pytestmark = needs_torch

GOOD, BAD = ("good", "fine", "lovely"), ("bad", "dull", "awful")
THINGS = ("film", "plot", "cast", "ending")
REVIEWS = [
    (f"the {thing} was {word}", int(word in GOOD))
    for thing, word in itertools.product(THINGS, (*GOOD, *BAD))
]
SAMPLING = Sampling()


@contextmanager
def ready(folder: str, **options: Any) -> Iterator[EncoderEngine]:
    """Load a model; it is not closed, since to collect all that torch leaves takes its time."""
    engine = EncoderEngine(folder, **{"threads": 1, "device": "cpu", **options})
    engine.import_libraries()
    engine.load()
    yield engine


@pytest.fixture(scope="module")
def sentiment(tmp_path_factory: pytest.TempPathFactory) -> str:
    texts, labels = zip(*REVIEWS, strict=True)
    model = encoder_models.trained(texts, labels, ("NEG", "POS"))
    return encoder_models.save(model, tmp_path_factory.mktemp("sentiment"))


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> str:
    import torch
    from transformers import BertForSequenceClassification

    torch.manual_seed(1)
    names = ("entailment", "contradiction", "neutral")
    model = BertForSequenceClassification(encoder_models.config(names))
    return encoder_models.save(model, tmp_path_factory.mktemp("pairs"), random=True)


@pytest.fixture(scope="module")
def answerer(tmp_path_factory: pytest.TempPathFactory) -> str:
    import torch
    from transformers import BertForQuestionAnswering

    torch.manual_seed(2)
    model = BertForQuestionAnswering(encoder_models.config())
    return encoder_models.save(model, tmp_path_factory.mktemp("answerer"))


def asked(*texts: str, labels: tuple[str, ...] = ("negative", "positive")) -> list[Request]:
    return [
        Request(f"r{n}", text, encoding=Encoding((text,), labels)) for n, text in enumerate(texts)
    ]


def test_a_trained_classifier_is_right_through_the_whole_path(
    sentiment: str, tmp_path: Path
) -> None:
    file = tmp_path / "SST-2.jsonl"
    file.write_text("".join(json.dumps({"sentence": s, "label": n}) + "\n" for s, n in REVIEWS))
    labels = {"NEG": "negative", "1": "positive"}
    engine = EncoderEngine(sentiment, threads=1, device="cpu", labels=labels)
    task = build_task("sst2", {"data": str(file)}, encoded=True)
    workload = GenerateWorkload(engine, task, Load("batch", batch_size=5), SAMPLING)
    workload.import_libraries()
    workload.load()
    workload.warm_up()
    result = workload.run()
    workload.grade(result)
    workload.close()
    assert result.score is not None
    assert (result.score["accuracy"], result.score["n_graded"]) == (1.0, len(REVIEWS))
    assert {r.text for r in result.responses} == {"negative", "positive"}
    assert result.work["tokens_out"] == 0
    assert result.work["tokens_in"] == 6 * len(REVIEWS)  # four words, [CLS] and [SEP]
    assert {window.name for window in result.windows} == {"prefill"}
    facts = json.loads(json.dumps(result.facts["engine"]))
    assert facts["random_weights"] is False
    assert facts["labels"] == {"NEG": "negative", "POS": "positive"}
    assert facts["prompts_truncated"] == 0


def test_a_wrong_label_is_wrong(sentiment: str) -> None:
    swapped = {"NEG": "positive", "POS": "negative"}
    with ready(sentiment, labels=swapped) as engine:
        (answer,) = engine.generate(asked("the film was lovely"), SAMPLING)
    assert answer.text == "negative"


def test_a_batch_is_answered_at_one_time_and_without_its_padding(sentiment: str) -> None:
    requests = asked("good", "the film was very very good and the plot was lovely")
    with ready(sentiment, labels={"NEG": "negative", "POS": "positive"}) as engine:
        short, long = engine.generate(requests, SAMPLING)
        (alone,) = engine.generate(requests[:1], SAMPLING)
        assert engine.generate([], SAMPLING) == []
    assert (short.request_id, long.request_id) == ("r0", "r1")
    assert (short.tokens_in, long.tokens_in) == (3, 13)
    assert short.stop_s == long.stop_s == short.first_token_s > short.start_s
    assert short.tokens_out == long.tokens_out == 0
    assert (alone.tokens_in, alone.text) == (3, short.text)


def test_inputs_that_are_too_long_are_cut_and_counted(sentiment: str) -> None:
    requests = asked("good", "good " * 100)
    with ready(sentiment, labels={"NEG": "negative", "POS": "positive"}) as engine:
        _, long = engine.generate(requests, SAMPLING)
        assert long.tokens_in == encoder_models.CONTEXT
        assert engine.facts()["prompts_truncated"] == 1
    with ready(sentiment, labels={"0": "negative", "1": "positive"}, max_model_len=10) as engine:
        assert engine.generate(requests, SAMPLING)[1].tokens_in == 10
        assert engine.facts()["max_model_len"] == 10


@pytest.mark.parametrize("name", [n for n, how in ENCODERS.items() if how.names])
def test_each_task_of_labels_is_put_and_graded(name: str) -> None:
    task = build_task(name, {}, encoded=True)
    for request in task.requests():
        encoding = request.encoding
        assert encoding is not None
        assert request.prompt == "\n".join(encoding.texts)
        assert "Answer with" not in request.prompt
        grades = [task.grade(request, label) for label in encoding.labels]
        assert grades.count(True) == 1
        assert grades.count(False) == len(encoding.labels) - 1
        assert task.grade(request, "LABEL_0") is None


def test_pairs_are_given_as_pairs_and_random_ones_get_no_score(pairs: str) -> None:
    task = build_task("cb", {}, encoded=True)
    engine = EncoderEngine(pairs, threads=1, device="cpu", max_model_len=encoder_models.CONTEXT)
    workload = GenerateWorkload(engine, task, Load("batch", batch_size=4), SAMPLING, 0)
    workload.load()
    result = workload.run()
    workload.grade(result)
    assert result.score is None
    assert "random" in result.facts["no_score"]
    assert {r.text for r in result.responses} <= {"entailment", "contradiction", "neutral"}
    first = task.requests()[0].item
    both = encoder_models.tokenizer()(first["premise"], first["hypothesis"])["input_ids"]
    assert result.responses[0].tokens_in == min(len(both), encoder_models.CONTEXT)


def test_two_labels_of_a_checkpoint_may_be_one_of_the_tasks(pairs: str) -> None:
    labels = {"contradiction": "not_entailment", "neutral": "not-entailment"}
    task = build_task("rte", {"items": 4}, encoded=True)
    (Path(pairs) / "joulebench.json").rename(Path(pairs) / "kept.json")
    try:
        with ready(pairs, labels=labels) as engine:
            answers = engine.generate(task.requests(), SAMPLING)
        with ready(pairs) as engine, pytest.raises(UsageError) as error:
            engine.generate(task.requests(), SAMPLING)
    finally:
        (Path(pairs) / "kept.json").rename(Path(pairs) / "joulebench.json")
    assert {answer.text for answer in answers} <= {"entailment", "not_entailment"}
    assert "label 'contradiction' is not one of the task's: entailment, not_ent" in str(error.value)
    assert "engine.labels: {contradiction: entailment}" in str(error.value)


def planted(engine: EncoderEngine, answers: dict[str, str]) -> None:
    """Have the model score the words of an answer best, and none where there is none."""
    import torch
    from transformers.modeling_outputs import QuestionAnsweringModelOutput

    loaded = engine._ready
    words = {tuple(_ids(loaded, q)): _ids(loaded, answer) for q, answer in answers.items()}
    own = loaded.model.forward

    def forward(input_ids: Any, **rest: Any) -> Any:
        start = own(input_ids=input_ids, **rest).start_logits * 0.0
        end = start.clone()
        for n, ids in enumerate(input_ids.tolist()):
            behind = ids.index(3)
            wanted = words[tuple(ids[1:behind])]
            found = [i for i in range(behind, len(ids)) if ids[i : i + len(wanted)] == wanted]
            at = found[0] if wanted and found else 0
            start[n, at] = 5.0
            end[n, at + max(len(wanted) - 1, 0) if found else 0] = 5.0
        return QuestionAnsweringModelOutput(start_logits=torch.Tensor(start), end_logits=end)

    loaded.model.forward = forward


def _ids(loaded: Any, text: str) -> list[int]:
    ids: list[int] = loaded.tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids


PASSAGE = "Ann went to Paris yesterday, and Bo found the lost key in the house."
QUESTIONS = {
    "where did ann go?": ["Paris"],
    "what did bo find?": ["the lost key", "key"],
    "who is very bad?": [],
}


def squad(tmp_path: Path, *, answered: bool) -> str:
    items = [
        {"context": PASSAGE, "question": question, "answers": golds}
        for question, golds in QUESTIONS.items()
        if golds or not answered
    ]
    file = tmp_path / "squad.jsonl"
    file.write_text("".join(json.dumps(item) + "\n" for item in items), "utf-8")
    return str(file)


@pytest.mark.parametrize("name", ["squad", "squad2"])
def test_words_of_a_passage_are_scored_as_squad_does(
    name: str, answerer: str, tmp_path: Path
) -> None:
    data = squad(tmp_path, answered=name == "squad")
    task = build_task(name, {"data": data}, encoded=True)
    with ready(answerer) as engine:
        planted(engine, {"where did ann go?": "Paris", "what did bo find?": "found the lost key",
                         "who is very bad?": ""})  # fmt: skip
        workload = GenerateWorkload(engine, task, Load("batch", batch_size=3), SAMPLING, 0)
        result = workload.run()
        workload.grade(result)
    texts = [response.text for response in result.responses]
    assert texts[:2] == ["Paris", "found the lost key"]
    assert texts[2:] == ([] if name == "squad" else [""])
    assert result.score is not None
    metrics = result.score["metrics"]
    part = 2 * 2 / (3 + 2)  # two words of three said, two of two wanted, no article
    if name == "squad":
        assert metrics == {"exact_match": 0.5, "f1": pytest.approx((1 + part) / 2)}
    else:
        assert metrics["exact_match"] == pytest.approx(2 / 3)
        assert metrics["no_answer_f1"] == 1.0
        assert metrics["f1"] == pytest.approx((2 + part) / 3)


def test_no_answer_is_given_above_the_threshold_alone(answerer: str, tmp_path: Path) -> None:
    task = build_task("squad2", {"data": squad(tmp_path, answered=False)}, encoded=True)
    plain = build_task("squad", {"data": squad(tmp_path, answered=True)}, encoded=True)
    with ready(answerer, null_threshold=-1e6) as engine:
        assert all(r.text == "" for r in engine.generate(task.requests(), SAMPLING))
        assert all(r.text for r in engine.generate(plain.requests(), SAMPLING))
        assert engine.facts()["null_threshold"] == -1e6
    with ready(answerer, null_threshold=1e6) as engine:
        assert all(r.text in PASSAGE and r.text for r in engine.generate(task.requests(), SAMPLING))


def test_a_question_that_leaves_no_room_is_told_in_one_line(answerer: str) -> None:
    asked = Request("r", "", encoding=Encoding(("who was " * 30, "Ann went to Rome")))
    with (
        ready(answerer) as engine,
        pytest.raises(UsageError, match=r"leaves no room for its text in 48 tokens; raise engine"),
    ):
        engine.generate([asked], SAMPLING)


def test_spans_are_the_best_of_all_that_are_allowed() -> None:
    import torch

    from joulebench.engines.encoder_spans import LONGEST, best_spans

    tokenizer = encoder_models.tokenizer()
    text = "good bad film plot cast ending dog cat house key " * 4
    tokens = tokenizer(["who went"], [text], max_length=400, truncation=True).encodings
    count = len(tokens[0].ids)
    for seed in range(30):
        drawn = torch.randn(2, count, generator=torch.Generator().manual_seed(seed))
        start, end = drawn[0], drawn[1]
        (said,) = best_spans(start[None], end[None], tokens, [Encoding(("who went", text))], 0.0)
        inside = [n for n, part in enumerate(tokens[0].sequence_ids) if part == 1]
        best = max(
            ((a, b) for a in inside for b in inside if a <= b < a + LONGEST),
            key=lambda span: float(start[span[0]] + end[span[1]]),
        )
        assert said == text[tokens[0].offsets[best[0]][0] : tokens[0].offsets[best[1]][1]]


def test_a_base_model_without_a_head_is_refused_or_measured_as_random(tmp_path: Path) -> None:
    from transformers import BertForMaskedLM

    folder = encoder_models.save(BertForMaskedLM(encoder_models.config()), tmp_path)
    with pytest.raises(UsageError, match=r"has no head that answers \(it is BertForMaskedLM, not"):
        EncoderEngine(folder, device="cpu").load()
    with ready(folder, head="classifier") as engine:
        (answer,) = engine.generate(asked("good"), SAMPLING)
        assert engine.facts()["random_weights"] is True
        assert engine.facts()["untrained_weights"] == 2 * 32 + 2 + 32 * 32 + 32
    assert answer.text in ("LABEL_0", "LABEL_1")


def test_requests_that_a_head_cannot_answer_are_refused(sentiment: str, answerer: str) -> None:
    with ready(sentiment) as engine:
        with pytest.raises(UsageError, match="label 'NEG' is not one of the task's: negative, pos"):
            engine.generate(asked("good"), SAMPLING)
        with pytest.raises(UsageError, match=r"asks for words, and the head .* gives labels"):
            engine.generate([Request("r", "", encoding=Encoding(("a", "b")))], SAMPLING)
        with pytest.raises(UsageError, match="r is a prompt, and an encoder takes the texts"):
            engine.generate([Request("r", "Is it good?")], SAMPLING)
    with ready(answerer) as engine, pytest.raises(UsageError, match="asks for labels, and the"):
        engine.generate(asked("good"), SAMPLING)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"dtype": "float23"}, "did you mean 'float32'"),
        ({"head": "clasifier"}, "did you mean 'classifier'"),
        ({"labels": ["a"]}, "must be a table such as"),
        ({"threads": 0}, "threads = 0 must be a whole number from 1"),
        ({"null_threshold": float("nan")}, "null_threshold = nan is no number"),
        (
            {"labels": {"LABEL_7": "positive"}},
            "names 'LABEL_7', which the checkpoint does not have",
        ),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], says: str, sentiment: str) -> None:
    with pytest.raises(UsageError) as error:
        EncoderEngine(sentiment, **{"device": "cpu", **options}).load()
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_tasks_that_are_none_for_encoders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="task 'copa' is none for an encoder; these are: boolq"):
        build_task("copa", {}, encoded=True)
    file = tmp_path / "p.jsonl"
    file.write_text('{"prompt": "good?", "label": "a", "choices": ["a", "b"]}\n{"prompt": "x"}\n')
    (request,) = build_task("prompts", {"prompts": str(file), "items": 1}, encoded=True).requests()
    assert request.encoding == Encoding(("good?",), ("a", "b"))
    with pytest.raises(UsageError, match="prompts-0001 has no choices"):
        build_task("prompts", {"prompts": str(file)}, encoded=True)


def test_a_row_without_output_tokens_has_no_energy_per_token() -> None:
    trace = Trace(Channel("cpu", "W", scope="cpu package"), [0.0, 1.0, 2.0], [5.0, 5.0, 5.0])
    window = Window("measure", 0.0, 2.0)
    run = Run(
        "r",
        "s",
        {},
        windows=[window],
        channels=[trace.channel],
        energy={"cpu": {"measure": trace.energy(window).to_dict()}},
        work={"requests": 2, "tokens_in": 8, "tokens_out": 0},
    )
    cells = row(run)
    assert cells["energy_j"] == pytest.approx(10.0)
    assert (cells["tokens_in"], cells["tokens_out"]) == (8, 0)
    assert not [name for name in cells if name.startswith("energy_per_token")]
