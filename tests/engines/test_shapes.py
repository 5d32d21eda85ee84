"""Published shapes: their figures, their folders, and how a study names them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from engine_cases import needs_torch, shape_folder

from joulebench.engines.model_source import find_model
from joulebench.engines.shapes import SHAPES, shape_model, shape_name
from joulebench.engines.shapes_folder import ensure_shape_folder, shape_digest
from joulebench.errors import UsageError
from joulebench.study_pilot import _levels
from joulebench.study_plan import plan
from joulebench.study_read import dump, parse

PUBLISHED = {
    "llama-2-7b": 6_738_415_616,
    "llama-2-13b": 13_015_864_320,
    "llama-3-8b": 8_030_261_248,
    "llama-3.1-8b": 8_030_261_248,
    "llama-3.1-70b": 70_553_706_496,
    "llama-3.2-1b": 1_235_814_400,
    "llama-3.2-3b": 3_212_749_824,
}
"""Number of parameters that the checkpoints on the hub have."""

ECHO: dict[str, Any] = {
    "study": "shapes",
    "task": "copa",
    "engine": {"kind": "echo"},
    "tasks": {"items": 2},
}


@needs_torch
@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_has_the_published_number_of_parameters(name: str) -> None:
    """Counted by torch over the layers that transformers lays out, and by the shape itself."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.from_pretrained(shape_folder(name))
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call, unused-ignore]
    counted = sum(weight.numel() for weight in model.parameters())
    assert counted == SHAPES[name].parameters
    assert counted == PUBLISHED.get(name, counted)


def test_every_published_shape_is_counted() -> None:
    assert {name for name, shape in SHAPES.items() if shape.source} == set(PUBLISHED)


@needs_torch
def test_the_configuration_is_the_published_one() -> None:
    """As meta-llama/Llama-3.2-1B has it on the hub, key by key."""
    config = json.loads((shape_folder("llama-3.2-1b") / "config.json").read_text())
    assert config == {
        "architectures": ["LlamaForCausalLM"],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": 128000,
        "eos_token_id": 128001,
        "head_dim": 64,
        "hidden_act": "silu",
        "hidden_size": 2048,
        "initializer_range": 0.02,
        "intermediate_size": 8192,
        "max_position_embeddings": 131072,
        "mlp_bias": False,
        "model_type": "llama",
        "num_attention_heads": 32,
        "num_hidden_layers": 16,
        "num_key_value_heads": 8,
        "rms_norm_eps": 1e-05,
        "rope_scaling": {
            "factor": 32.0,
            "high_freq_factor": 4.0,
            "low_freq_factor": 1.0,
            "original_max_position_embeddings": 8192,
            "rope_type": "llama3",
        },
        "rope_theta": 500000.0,
        "tie_word_embeddings": True,
        "torch_dtype": "bfloat16",
        "use_cache": True,
        "vocab_size": 128256,
    }


@needs_torch
@pytest.mark.parametrize(("name", "theta"), [("llama-2-7b", 1e4), ("llama-3-8b", 5e5)])
def test_the_library_reads_the_positions_as_published(name: str, theta: float) -> None:
    from transformers import AutoConfig

    parameters = AutoConfig.from_pretrained(shape_folder(name)).rope_parameters
    assert (parameters["rope_theta"], parameters["rope_type"]) == (theta, "default")


def test_a_shape_is_named_in_two_ways() -> None:
    assert shape_name("shape:llama-3.2-1b") == "llama-3.2-1b"
    assert shape_name({"shape": "Llama-3.2-1B"}) == "llama-3.2-1b"
    assert shape_name("meta-llama/Llama-3.2-1B") is None
    assert shape_name({"shape": "tiny_a", "more": 1}) is None
    assert shape_model("tiny_a") == "shape:tiny_a"


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ({"shape": "llama-3.2-1B5"}, "did you mean 'llama-3.2-1b'"),
        ("shape:lama-2-7b", "did you mean 'llama-2-7b'"),
        ("shape:", "(allowed: llama-2-13b"),
        ({"shape": 7}, "must be a name"),
        ("llama-3.2-1b", "write 'shape:llama-3.2-1b'"),
    ],
)
def test_a_misspelt_shape_is_one_line(model: Any, says: str) -> None:
    with pytest.raises(UsageError) as error:
        find_model(model)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_an_unknown_shape_has_no_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'tiny_a'"):
        ensure_shape_folder("tiny_aa", tmp_path)


@needs_torch
def test_a_folder_is_made_once_and_by_another_process(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from joulebench.engines.shapes_folder import ensure_shape_folder\n"
        f"place = ensure_shape_folder('mini-15m', Path({str(tmp_path)!r}))\n"
        "before = (place / 'config.json').stat().st_mtime_ns\n"
        f"ensure_shape_folder('mini-15m', Path({str(tmp_path)!r}))\n"
        "print((place / 'config.json').stat().st_mtime_ns == before)\n"
        "print(any(name in sys.modules for name in ('torch', 'transformers', 'tokenizers')))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False"]
    (made,) = tmp_path.iterdir()
    assert made.name == f"shape-mini-15m-{shape_digest('mini-15m')}"
    assert not list(made.glob("*.safetensors"))


# ---- in a study file


def planned(**changes: Any) -> list[str]:
    return [trial["model"] for trial in plan(parse({**ECHO, **changes}, "s.yaml"))]


def refusal(**changes: Any) -> str:
    with pytest.raises(UsageError) as caught:
        planned(**changes)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_study_names_a_shape() -> None:
    assert planned(model={"shape": "llama-3.2-1b"}) == ["shape:llama-3.2-1b"]
    assert planned(model="shape:Llama-2-7b") == ["shape:llama-2-7b"]


def test_a_shape_may_be_a_level_of_the_factor_model() -> None:
    models = planned(factors={"model": ["shape:tiny_a", "other"]}, order={"kind": "sequential"})
    assert models == ["shape:tiny_a", "other"]


def test_a_table_may_name_shapes() -> None:
    table = {"2": "shape:llama-2-7b", "3": "shape:llama-3-8b"}
    models = planned(
        factors={"generation": ["2", "3"]},
        order={"kind": "sequential"},
        model={"by": ["generation"], "of": table},
    )
    assert models == list(table.values())


def test_a_study_with_a_shape_is_read_as_it_was_written() -> None:
    study = parse({**ECHO, "model": {"shape": "llama-3.2-1b"}}, "s.yaml")
    assert dump(study)["model"] == {"shape": "llama-3.2-1b"}
    assert parse(dump(study), "again") == study


def test_a_pilot_knows_the_shape_that_it_ran() -> None:
    assert _levels({}, {"model": {"shape": "tiny_a"}, "task": "copa"})["model"] == "shape:tiny_a"


def test_no_hub_is_asked_for_a_shape(tmp_path: Path) -> None:
    from joulebench.cli.testbed_init import _models_of

    file = tmp_path / "s.yaml"
    models = ["shape:tiny_a", "org/name", "tiny_a"]
    file.write_text(yaml.safe_dump(ECHO | {"factors": {"model": models}}))
    assert _models_of(str(file)) == ["org/name"]


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ({"shape": "llama-3.2-1c"}, "did you mean 'llama-3.2-1b'"),
        ({"shpae": "llama-3.2-1b"}, "model: key 'shpae' is not known: did you mean 'shape'"),
        ({"shape": "tiny_a", "sead": 1}, "model: key 'sead' is not known"),
        ({"shape": 3}, "model.shape: must be a valid string, not 3"),
        ({"by": ["g"]}, "model.of: is missing"),
    ],
)
def test_a_mistake_in_a_model_is_one_line(model: Any, says: str) -> None:
    assert says in refusal(model=model)


def test_a_misspelt_shape_in_a_table_is_refused() -> None:
    table = {"by": ["generation"], "of": {"2": "shape:llama-2-7"}}
    assert "did you mean 'llama-2-7b'" in refusal(factors={"generation": ["2"]}, model=table)


def test_a_plan_needs_no_torch(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    study = ECHO | {
        "factors": {"model": ["shape:llama-3.1-70b", "shape:llama-2-13b"]},
        "engine": {"kind": "transformers", "dtype": "bfloat16"},
        "meters": [{"simulated": {"watts": 100}}],
    }
    file.write_text(yaml.safe_dump(study))
    code = (
        "import sys\n"
        "sys.modules.update(dict.fromkeys(('torch', 'transformers', 'tokenizers')))\n"
        f"sys.argv = ['joulebench', 'plan', {str(file)!r}]\n"
        "import runpy\n"
        "runpy.run_module('joulebench', run_name='__main__')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "shape:llama-3.1-70b" in done.stdout
