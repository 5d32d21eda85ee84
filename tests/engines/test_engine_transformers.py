from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from engine_cases import loaded, needs_torch, requests, tiny

from joulebench.engines.tiny import ensure_tiny_model
from joulebench.engines.transformers import TransformersEngine
from joulebench.errors import UsageError
from joulebench.work import Request, Sampling

pytestmark = needs_torch

GREEDY = Sampling(max_tokens=24, min_tokens=24)
DRAWN = Sampling(max_tokens=40, temperature=1.0, seed=5)


def engine() -> TransformersEngine:
    found = tiny()
    assert isinstance(found, TransformersEngine)
    return found


@pytest.fixture
def many_ends(monkeypatch: pytest.MonkeyPatch) -> frozenset[int]:
    """Let every eighth token end a sequence, so that a batch ends at different times."""
    ends = frozenset(range(0, 1024, 8)) - {engine()._words.pad_id}
    monkeypatch.setattr(engine()._words, "end_ids", ends)
    return ends


def test_a_batch_gives_the_texts_of_one_at_a_time() -> None:
    """Holds only if padding is on the left, masked, and positions do not count it."""
    together = engine().generate(requests(), GREEDY)
    alone = [engine().generate([request], GREEDY)[0] for request in requests()]
    assert [a.text for a in together] == [a.text for a in alone]
    assert [a.tokens_in for a in together] == [a.tokens_in for a in alone]
    assert len({a.text for a in alone}) == 3


def test_prompt_tokens_are_those_of_the_chat_template() -> None:
    tokenizer = engine()._words.tokenizer
    for request, answer in zip(requests(), engine().generate(requests(), GREEDY), strict=True):
        chat = [{"role": "user", "content": request.prompt}]
        ids = tokenizer.apply_chat_template(chat, add_generation_prompt=True)["input_ids"]
        assert answer.tokens_in == len(ids)


def test_tokens_after_an_end_are_not_counted(many_ends: frozenset[int]) -> None:
    batch = [Request(f"q{i}", f"Question {i} " + "and more " * i) for i in range(8)]
    answers = engine().generate(batch, DRAWN)
    lengths = [answer.tokens_out for answer in answers]
    assert len(set(lengths)) > 3
    for answer in answers:
        assert answer.finish_reason == ("stop" if answer.tokens_out < 40 else "length")
    stops_s = [answer.stop_s for answer in sorted(answers, key=lambda a: a.tokens_out)]
    assert stops_s == sorted(stops_s)


def test_counted_tokens_are_those_of_a_plain_generate(many_ends: frozenset[int]) -> None:
    """Compare with transformers' own loop, counted by hand."""
    import torch

    request = requests()[1]
    (answer,) = engine().generate([request], Sampling(max_tokens=40))
    text = engine()._words.asked(request.prompt)
    given = engine()._words.tokenizer([text], return_tensors="pt", add_special_tokens=False)
    with torch.no_grad():
        output = engine()._model.generate(
            **given,
            max_new_tokens=40,
            do_sample=False,
            eos_token_id=sorted(many_ends),
            pad_token_id=engine()._words.pad_id,
        )
    new = output[0, given["input_ids"].shape[1] :].tolist()
    assert answer.tokens_out == len(new)
    assert answer.text == engine()._words.tokenizer.decode(new, skip_special_tokens=True)


def test_fewest_tokens_hold_back_the_end(many_ends: frozenset[int]) -> None:
    sampling = replace(DRAWN, min_tokens=40)
    assert [a.tokens_out for a in engine().generate(requests(), sampling)] == [40, 40, 40]


def test_prefill_and_decode_are_told_apart() -> None:
    """A prompt three hundred times longer lengthens the prefill, not the decode of its answer."""
    long = [Request("long", "The lamp is lit again. " * 300)]
    short = [Request("short", "The lamp.")]
    for batch in (long, short):
        engine().generate(batch, GREEDY)
    prefill = [min(_prefill_s(engine(), batch) for _ in range(3)) for batch in (long, short)]
    assert prefill[0] > 3 * prefill[1]


def _prefill_s(found: TransformersEngine, batch: list[Request]) -> float:
    (answer,) = found.generate(batch, Sampling(max_tokens=2, min_tokens=2))
    return answer.first_token_s - answer.start_s


def test_a_checkpoints_sampling_defaults_do_not_leak_in(tmp_path: Path) -> None:
    folder = copied_model(tmp_path)
    config = json.loads((folder / "generation_config.json").read_text())
    config |= {"do_sample": True, "temperature": 3.0, "top_k": 5, "repetition_penalty": 9.0}
    (folder / "generation_config.json").write_text(json.dumps(config))
    theirs = loaded("transformers", str(folder)).generate(requests(), GREEDY)
    assert [a.text for a in theirs] == [a.text for a in engine().generate(requests(), GREEDY)]


def test_an_overlong_prompt_loses_its_middle_and_is_counted() -> None:
    small = loaded("transformers", max_model_len=40)
    prompts = [Request("a", "Start. " + "middle " * 200 + "finish."), Request("b", "Hi")]
    first, second = small.generate(prompts, Sampling(max_tokens=8, min_tokens=8))
    assert (first.tokens_in, first.tokens_out) == (32, 8)
    assert second.tokens_in < 32
    assert small.facts()["prompts_truncated"] == 1
    assert small.facts()["outputs_capped"] == 0


def test_output_that_would_overrun_the_context_is_capped_and_counted() -> None:
    small = loaded("transformers", max_model_len=40)
    (answer,) = small.generate([Request("b", "Hi")], Sampling(max_tokens=400))
    assert answer.tokens_in + answer.tokens_out <= 40
    assert small.facts()["outputs_capped"] == 1


def test_a_context_too_small_for_the_output_is_refused() -> None:
    small = loaded("transformers", max_model_len=40)
    with pytest.raises(UsageError, match="leaves no room for a prompt"):
        small.generate(requests(), Sampling(max_tokens=40, min_tokens=40))


def test_a_model_without_chat_template_gets_the_bare_prompt(tmp_path: Path) -> None:
    folder = copied_model(tmp_path)
    (folder / "chat_template.jinja").unlink()
    bare = loaded("transformers", str(folder))
    (answer,) = bare.generate(requests()[:1], GREEDY)
    assert bare.facts()["chat_template"] is False
    assert answer.tokens_in < engine().generate(requests()[:1], GREEDY)[0].tokens_in


def test_facts_tell_what_ran() -> None:
    import torch

    facts = engine().facts()
    assert facts["random_weights"] is True
    assert facts["parameters"] == sum(w.numel() for w in engine()._model.parameters())
    assert (facts["dtype"], facts["device"], facts["threads"]) == ("float32", "cpu", 1)
    assert facts["torch"] == torch.__version__


def test_a_folder_without_marker_does_not_claim_random_weights(tmp_path: Path) -> None:
    folder = copied_model(tmp_path)
    (folder / "joulebench.json").unlink()
    assert loaded("transformers", str(folder)).facts()["random_weights"] is False


def test_a_local_model_asks_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert loaded("transformers").generate(requests()[:1], Sampling(max_tokens=1))


def test_every_page_of_every_weight_is_touched() -> None:
    from joulebench.engines.torch_weights import touch_weights

    model = engine()._model
    assert touch_weights(model) >= sum(w.nbytes for w in model.parameters())


def test_loading_leaves_no_weight_page_to_be_read_later() -> None:
    """In a fresh process, count the file pages that a second touch still faults in."""
    code = (
        "import resource\n"
        "from joulebench.engines.registry import build_engine\n"
        "from joulebench.engines.torch_weights import touch_weights\n"
        "engine = build_engine({'kind': 'transformers', 'threads': 1, 'device': 'cpu'}, 'tiny_b')\n"
        "engine.load()\n"
        "faults = lambda: sum(resource.getrusage(resource.RUSAGE_SELF)[6:8])\n"
        "before = faults(); touch_weights(engine._model); print(faults() - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout.split()[-1]) < 20  # untouched weights fault in 267 times


def test_libraries_may_be_imported_before_a_fork() -> None:
    """A child that forks off after the imports can load and generate with two threads."""
    code = (
        "import os, sys\n"
        "from joulebench.engines.registry import build_engine\n"
        "from joulebench.work import Request, Sampling\n"
        "engine = build_engine({'kind': 'transformers', 'threads': 2, 'device': 'cpu'}, 'tiny_a')\n"
        "engine.import_libraries()\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    engine.load()\n"
        "    sampling = Sampling(max_tokens=3, min_tokens=3)\n"
        "    made = engine.generate([Request('r', 'Hello')], sampling)\n"
        "    os._exit(made[0].tokens_out)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout.split()[-1] == "3"


def test_a_closed_engine_can_be_loaded_again() -> None:
    again = loaded("transformers")
    again.close()
    again.load()
    assert again.generate(requests()[:1], Sampling(max_tokens=1))[0].tokens_out == 1


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("./no/such/model", "there is no such folder"),
        ("tiny_c", "did you mean"),
        ("", "give a folder"),
        ({"shape": "x"}, "shape 'x' is not known"),
        ({"shpae": "tiny_a"}, "give a folder"),
    ],
)
def test_a_missing_model_is_one_line(model: Any, says: str) -> None:
    with pytest.raises(UsageError) as error:
        TransformersEngine(model).import_libraries()
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_a_folder_that_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"holds no config\.json"):
        TransformersEngine(str(tmp_path)).import_libraries()


def test_damaged_weights_are_one_line(tmp_path: Path) -> None:
    folder = copied_model(tmp_path)
    (folder / "model.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{broken}")
    with pytest.raises(UsageError) as error:
        TransformersEngine(str(folder)).load()
    assert "cannot be loaded" in str(error.value)
    assert "\n" not in str(error.value)


def test_an_unknown_device_is_refused() -> None:
    with pytest.raises(UsageError, match="device 'gpu'"):
        TransformersEngine("tiny_a", device="gpu").load()


def copied_model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    shutil.copytree(ensure_tiny_model("tiny_a"), folder)
    return folder
