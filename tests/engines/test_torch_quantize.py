from __future__ import annotations

import functools
import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from engine_cases import loaded, needs_torch, requests, tiny

from joulebench.engines.tiny import ensure_tiny_model
from joulebench.engines.torch_options import SCHEMES
from joulebench.engines.transformers import TransformersEngine
from joulebench.errors import Unavailable, UsageError
from joulebench.work import Sampling

pytestmark = [
    needs_torch,
    # Of the packages, about their own next versions.
    pytest.mark.filterwarnings("ignore:::bitsandbytes"),
    pytest.mark.filterwarnings("ignore:::torchao"),
]

PACKAGES = {"int8": "bitsandbytes", "nf4": "bitsandbytes", "fp4": "bitsandbytes"}
ON_CPU = ["int8", "nf4", "fp4", "torchao-int4wo", "torchao-int8dq", "torchao-int8wo"]
LEFT = {"nf4": 2, "fp4": 2, "torchao-int4wo": 2}
"""Weights of tiny_a whose 352 inputs are no whole number of blocks."""


def package(scheme: str) -> str:
    return PACKAGES.get(scheme, "torchao")


@functools.cache
def quantised(scheme: str) -> TransformersEngine:
    if importlib.util.find_spec(package(scheme)) is None:
        pytest.skip(f"{package(scheme)} is not installed (pip install 'joulebench[quantized]')")
    found = loaded("transformers", quantization=scheme)
    assert isinstance(found, TransformersEngine)
    return found


def logits(engine: TransformersEngine) -> Any:
    import torch

    with torch.no_grad():
        return engine._model(input_ids=torch.arange(1, 40)[None]).logits.float()


@pytest.mark.parametrize("scheme", ON_CPU)
def test_facts_tell_what_was_made_smaller(scheme: str) -> None:
    from importlib import metadata

    facts = json.loads(json.dumps(quantised(scheme).facts()))
    whole = tiny().facts()
    assert facts["quantization"] == scheme
    assert facts["quantization_package"].split() == [
        package(scheme),
        metadata.version(package(scheme)),
    ]
    assert facts["quantized_modules"] + len(facts.get("modules_left", [])) == 14
    assert len(facts.get("modules_left", [])) == LEFT.get(scheme, 0)
    assert facts["parameters"] == whole["parameters"]
    assert "quantization" not in whole


@pytest.mark.parametrize("scheme", ON_CPU)
def test_bytes_are_those_of_weights_in_few_bits(scheme: str) -> None:
    """Counted by hand: so many bits a number, and a scale of 2 to 8 bytes for each block or row."""
    engine, plain = quantised(scheme), tiny()
    left = engine.facts().get("modules_left", [])
    done = [
        module.weight
        for name, module in plain._model.named_modules()  # type: ignore[attr-defined]
        if type(module).__name__ == "Linear" and name not in left and name != "lm_head"
    ]
    numbers = sum(weight.numel() for weight in done)
    bits = 8 if "int8" in scheme else 4
    rest = plain.facts()["weight_bytes"] - 4 * numbers
    scales = engine.facts()["weight_bytes"] - rest - numbers * bits // 8
    rows = sum(weight.shape[0] for weight in done)
    most = 8 * rows if bits == 8 else 8 * numbers // 64 + 100 * 16 * len(done)
    assert 0 < scales <= most


@pytest.mark.parametrize(
    ("scheme", "most"), [(s, 0.06 if "int8" in s else 0.6) for s in ON_CPU], ids=ON_CPU
)
def test_the_model_is_nearly_the_same(scheme: str, most: float) -> None:
    exact, nearly = logits(tiny()), logits(quantised(scheme))  # type: ignore[arg-type]
    off = float((nearly - exact).norm() / exact.norm())
    assert 0.001 < off < most


def test_a_quantised_model_generates() -> None:
    answers = quantised("int8").generate(requests(), Sampling(max_tokens=4, min_tokens=4))
    assert [answer.tokens_out for answer in answers] == [4, 4, 4]


def test_a_shape_can_be_quantised() -> None:
    quantised("int8")  # or skip
    found = loaded("transformers", "shape:tiny_a", quantization="int8")
    facts = found.facts()
    assert (facts["quantization"], facts["random_weights"]) == ("int8", True)
    assert facts["weight_bytes"] == quantised("int8").facts()["weight_bytes"]
    found.close()


def test_quantised_weights_batch_continuously() -> None:
    quantised("int8")
    found = loaded("transformers", quantization="int8", batching="continuous")
    try:
        sampling = Sampling(max_tokens=4, min_tokens=4)
        ours = found.generate(requests(), sampling)
        assert [answer.tokens_out for answer in ours] == [4, 4, 4]
    finally:
        found.close()


@pytest.mark.parametrize(
    ("scheme", "needs"), [("2:4", "Ampere"), ("torchao-fp8", "compute capability 8.9")]
)
def test_what_the_cpu_cannot_do_is_refused_in_one_line(scheme: str, needs: str) -> None:
    if importlib.util.find_spec("torchao") is None:
        pytest.skip("torchao is not installed")
    with pytest.raises(UsageError, match=needs) as error:
        TransformersEngine("tiny_a", device="cpu", quantization=scheme).load()
    assert "the device is cpu" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_package_is_named_with_its_install_line(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "bitsandbytes" else found(name)
    )
    with pytest.raises(Unavailable) as error:
        TransformersEngine("tiny_a", device="cpu", quantization="nf4").load()
    assert "needs bitsandbytes" in str(error.value)
    assert "pip install 'joulebench[quantized]'" in str(error.value)


def test_two_of_four_are_pruned_by_magnitude() -> None:
    import torch

    from joulebench.engines.torch_quantize import prune_2_4

    weight = torch.tensor([[1.0, -5.0, 3.0, 2.0, 0.5, 0.1, -0.2, 0.3]])
    expected = [[0.0, -5.0, 3.0, 0.0, 0.5, 0.0, 0.0, 0.3]]
    assert prune_2_4(weight) == pytest.approx(torch.tensor(expected))
    drawn = torch.randn(16, 64)
    pruned = prune_2_4(drawn).reshape(16, -1, 4)
    assert ((pruned != 0).sum(-1) == 2).all()


def test_every_scheme_has_a_way() -> None:
    from joulebench.engines.torch_quantize import WAYS

    assert sorted(WAYS) == sorted(SCHEMES)


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("quantization", "int9", "did you mean"),
        ("attention", "flash", "attention"),
        ("batching", "continous", "did you mean"),
        ("dtype", "float64", "dtype"),
        ("threads", 0, "from 1"),
    ],
)
def test_a_misspelt_option_is_refused(option: str, value: Any, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        TransformersEngine("tiny_a", **{option: value})


def test_none_leaves_the_weights_as_they_are() -> None:
    engine = TransformersEngine("tiny_a", quantization="none", attention="none")
    assert (engine.options.quantization, engine.options.attention) == (None, None)


def test_compile_and_continuous_exclude_each_other() -> None:
    with pytest.raises(UsageError, match="compile: true goes with batching: static"):
        TransformersEngine("tiny_a", compile=True, batching="continuous")


def published(tmp_path: Path, **quantization: Any) -> str:
    folder = tmp_path / "model"
    shutil.copytree(ensure_tiny_model("tiny_a"), folder)
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"] = quantization
    (folder / "config.json").write_text(json.dumps(config))
    return str(folder)


@pytest.mark.parametrize("method", ["gptq", "awq"])
def test_a_published_quantised_model_names_the_missing_kernels(tmp_path: Path, method: str) -> None:
    if importlib.util.find_spec("gptqmodel") is not None:
        pytest.skip("gptqmodel is installed")
    model = published(tmp_path, quant_method=method, bits=4, group_size=128)
    with pytest.raises(Unavailable) as error:
        TransformersEngine(model, device="cpu").load()
    assert f"is quantised ({method}-int4), which needs gptqmodel" in str(error.value)
    assert "pip install gptqmodel" in str(error.value)


def test_a_published_quantised_model_is_not_quantised_again(tmp_path: Path) -> None:
    model = published(tmp_path, quant_method="gptq", bits=4)
    with pytest.raises(UsageError, match=r"is quantised already \(gptq-int4\)"):
        TransformersEngine(model, device="cpu", quantization="int8").load()


def test_a_published_quantised_model_runs_and_facts_say_so(tmp_path: Path) -> None:
    """One that bitsandbytes saved through transformers."""
    pytest.importorskip("bitsandbytes")
    pytest.importorskip("accelerate")
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    made = AutoModelForCausalLM.from_pretrained(
        str(ensure_tiny_model("tiny_a")),
        local_files_only=True,
        quantization_config=BitsAndBytesConfig(load_in_8bit=True),  # type: ignore[no-untyped-call, unused-ignore]
        device_map={"": "cpu"},
    )
    folder = tmp_path / "model"
    shutil.copytree(ensure_tiny_model("tiny_a"), folder)
    (folder / "model.safetensors").unlink()
    made.save_pretrained(folder)
    found = loaded("transformers", str(folder))
    facts = found.facts()
    assert (facts["quantization"], facts["quantized_by"]) == ("bitsandbytes", "checkpoint")
    assert facts["weight_bytes"] < 0.5 * tiny().facts()["weight_bytes"]
    assert found.generate(requests(), Sampling(max_tokens=2, min_tokens=2))[2].tokens_out == 2
