"""Models of a shape: weights drawn in place, answers of a fixed length, memory, records."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest
from engine_cases import loaded, needs_torch, requests

from joulebench import study
from joulebench.engines import shapes_weights
from joulebench.engines.model_source import find_model
from joulebench.engines.registry import build_engine
from joulebench.engines.shapes import SHAPES
from joulebench.engines.shapes_memory import free_memory, host_memory
from joulebench.engines.transformers import TransformersEngine
from joulebench.errors import UsageError
from joulebench.record import RunTable
from joulebench.study_read import parse
from joulebench.work import Sampling

pytestmark = needs_torch

FIXED = Sampling(max_tokens=7, min_tokens=7)


@functools.cache
def engine(name: str, dtype: str = "float32") -> TransformersEngine:
    found = loaded("transformers", f"shape:{name}", dtype=dtype)
    assert isinstance(found, TransformersEngine)
    return found


def drawn(name: str = "tiny_a", dtype: str = "float32", **options: Any) -> Any:
    import torch

    source = find_model({"shape": name})
    return shapes_weights.draw_model(source, dtype, torch.device("cpu"), **options)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("name", ["tiny_a", "tiny_b", "mini-15m"])
def test_what_comes_out_is_finite_and_of_size_one(name: str, dtype: str) -> None:
    import torch

    model = engine(name, dtype)._model
    with torch.no_grad():
        logits = model(torch.arange(300, 364)[None]).logits.float()
    assert bool(logits.isfinite().all())
    assert 0.8 < float(logits.std()) < 1.25


@pytest.mark.parametrize("name", ["tiny_b", "mini-15m"])
def test_what_passes_through_the_layers_keeps_its_size(name: str) -> None:
    """So that no depth overflows a type of few bits: each block adds its share and no more."""
    import torch

    model = engine(name)._model
    with torch.no_grad():
        inner = model.model(torch.arange(300, 364)[None], output_hidden_states=True).hidden_states
    assert 0.2 < float(inner[-2].square().mean().sqrt()) < 1.5  # the last is behind the norm


@pytest.mark.parametrize("name", ["tiny_a", "mini-15m"])
def test_a_fixed_length_is_kept(name: str) -> None:
    for answer in engine(name).generate(requests(), FIXED):
        assert (answer.tokens_out, answer.finish_reason) == (7, "length")
        assert answer.text


def test_a_batch_gives_the_texts_of_one_at_a_time() -> None:
    """Holds only if the rotary table, which is no weight, was computed and not left empty."""
    together = engine("mini-15m").generate(requests(), FIXED)
    alone = [engine("mini-15m").generate([request], FIXED)[0] for request in requests()]
    assert [a.text for a in together] == [a.text for a in alone]
    assert len({a.text for a in alone}) == 3


@pytest.mark.parametrize("name", ["tiny_b", "llama-3.2-1b"])
def test_positions_turn_as_the_library_has_them(name: str) -> None:
    """The rotary table of a model that transformers itself made, not laid out without memory."""
    import torch
    from transformers import AutoConfig
    from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

    place = find_model({"shape": name}).place
    theirs = LlamaRotaryEmbedding(AutoConfig.from_pretrained(place)).inv_freq
    if name == "tiny_b":
        ours = drawn("tiny_b", "bfloat16").model.rotary_emb.inv_freq
        assert torch.equal(ours, theirs)
        assert ours.dtype == torch.float32
    else:
        assert theirs[0] == 1.0
        assert theirs[-1] * 32 == pytest.approx(500_000 ** (-62 / 64), rel=1e-6)


def test_a_seed_decides_the_weights() -> None:
    import torch

    one, again, other = drawn(), drawn(), drawn(seed=3)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), again.parameters(), strict=True))
    assert not torch.equal(one.lm_head.weight, other.lm_head.weight)
    first, second = (layer.mlp.up_proj.weight for layer in one.model.layers)
    assert not torch.equal(first, second)


def test_weights_have_the_type_and_are_tied_as_published() -> None:
    import torch

    model = drawn("tiny_b", "bfloat16")
    assert {weight.dtype for weight in model.parameters()} == {torch.bfloat16}
    assert {weight.device.type for weight in model.parameters()} == {"cpu"}
    assert model.lm_head.weight is model.model.embed_tokens.weight
    assert sum(w.numel() for w in model.parameters()) == SHAPES["tiny_b"].parameters


def test_untied_weights_are_drawn_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch
    from transformers import AutoConfig

    read = AutoConfig.from_pretrained
    monkeypatch.setattr(
        AutoConfig, "from_pretrained", lambda *a, **k: read(*a, **k, tie_word_embeddings=False)
    )
    model = drawn()
    assert not torch.equal(model.lm_head.weight, model.model.embed_tokens.weight)


def test_auto_takes_the_published_type() -> None:
    assert str(drawn("mini-15m", "auto").dtype) == "torch.bfloat16"
    assert str(drawn("tiny_a", "auto").dtype) == "torch.float32"


def test_no_copy_of_the_weights_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every tensor that is made has the type asked for, and none is larger than a weight."""
    import torch

    made: list[tuple[int, Any]] = []
    empty = torch.empty

    def noted(*sizes: Any, **options: Any) -> Any:
        tensor = empty(*sizes, **options)
        if tensor.device.type != "meta":
            made.append((tensor.numel(), tensor.dtype))
        return tensor

    monkeypatch.setattr(torch, "empty", noted)
    model = drawn("tiny_a", "bfloat16")
    weights = [(weight.numel(), weight.dtype) for weight in model.parameters()]
    assert sorted(size for size, _ in made) == sorted(size for size, _ in weights)
    assert {dtype for _, dtype in made} == {torch.bfloat16}


def test_facts_say_that_weights_are_random_and_the_tokenizer_a_stand_in() -> None:
    facts = engine("tiny_a").facts()
    assert facts["random_weights"] is True
    assert (facts["shape"], facts["weights_seed"]) == ("tiny_a", shapes_weights.SEED)
    assert facts["tokenizer"].startswith("our own")
    assert find_model("shape:llama-2-7b").facts["tokenizer"].startswith("stand-in")
    assert facts["parameters"] == SHAPES["tiny_a"].parameters


# ---- memory


def test_a_shape_that_does_not_fit_is_refused_with_the_numbers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shapes_weights, "free_memory", lambda _: 2_400_000_000)
    found = build_engine(
        {"kind": "transformers", "device": "cpu", "dtype": "bfloat16"}, "shape:llama-3.2-1b"
    )
    with pytest.raises(UsageError) as error:
        found.load()
    assert "1,235,814,400 weights need 2.47 GB in bfloat16, and cpu has 2.40 GB" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_shape_that_just_fits_is_not_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    need = SHAPES["tiny_a"].parameters * 2
    monkeypatch.setattr(shapes_weights, "free_memory", lambda _: need)
    assert drawn("tiny_a", "bfloat16")
    monkeypatch.setattr(shapes_weights, "free_memory", lambda _: need - 1)
    with pytest.raises(UsageError, match="take a smaller shape"):
        drawn("tiny_a", "bfloat16")


def test_free_memory_of_this_machine() -> None:
    import psutil
    import torch

    free = free_memory(torch.device("cpu"))
    assert free is not None
    assert 0 < free <= psutil.virtual_memory().total
    assert free_memory(torch.device("meta")) is None


def test_a_containers_limit_counts(tmp_path: Path) -> None:
    own = tmp_path / "cgroup"
    own.write_text("0::/job/step\n")
    for name, limit, used, cached in (
        ("job", 900_000, 500_000, 100_000),
        ("job/step", "max", 1, 0),
    ):
        group = tmp_path / "fs" / name
        group.mkdir(parents=True)
        (group / "memory.max").write_text(f"{limit}\n")
        (group / "memory.current").write_text(f"{used}\n")
        (group / "memory.stat").write_text(f"anon 1\ninactive_file {cached}\n")
    assert host_memory(tmp_path / "fs", own) == 500_000
    assert host_memory(tmp_path / "fs", tmp_path / "none") > 10_000_000


# ---- a study


def test_a_study_of_shapes_runs_and_has_no_accuracy(tmp_path: Path) -> None:
    asked = {
        "study": "shapes",
        "factors": {"generation": ["2", "3"]},
        "model": {
            "by": ["generation"],
            "of": {"2": "shape:tiny_a", "3": "shape:mini-15m"},
        },
        "task": "copa",
        "engine": {"kind": "transformers", "threads": 1, "device": "cpu"},
        "tasks": {"items": 2},
        "sampling": {"max_tokens": 5, "min_tokens": 5},
        "protocol": {"idle_s": 0.1, "idle_after_s": 0.1, "warmup_prompts": 1, "interval_s": 0.02},
        "meters": [{"simulated": {"watts": 100}}],
    }
    study.run(parse(asked, "s.yaml"), tmp_path / "run", report=False)
    runs = RunTable.load(tmp_path / "run").runs
    assert [run.status for run in runs] == ["done", "done"]
    for run in runs:
        assert run.work["tokens_out"] == 10
        assert run.facts["no_score"] == "the model's weights are random"
        assert run.facts["engine"]["shape"] in ("tiny_a", "mini-15m")
    header = (tmp_path / "run" / "run_table.csv").read_text().splitlines()[0]
    assert "accuracy" not in header


def test_a_shape_too_large_is_a_failed_run_that_says_so(tmp_path: Path) -> None:
    """No machine that runs tests has the memory of 70 billion weights in 32 bits."""
    if host_memory() > SHAPES["llama-3.1-70b"].parameters * 4:
        pytest.skip("this machine has the memory")
    asked = {
        "study": "large",
        "model": {"shape": "llama-3.1-70b"},
        "task": "copa",
        "engine": {"kind": "transformers", "threads": 1, "device": "cpu"},
        "tasks": {"items": 1},
        "protocol": {"idle_s": 0.1, "idle_after_s": 0.1, "interval_s": 0.02, "attempts": 1},
        "meters": [{"simulated": {"watts": 100}}],
    }
    study.run(parse(asked, "s.yaml"), tmp_path / "run", report=False)
    (run,) = RunTable.load(tmp_path / "run").runs
    assert run.status == "failed"
    assert "70,553,706,496 weights need 282.21 GB in float32" in str(run.to_dict())
