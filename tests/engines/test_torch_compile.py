from __future__ import annotations

import pytest
from engine_cases import loaded, needs_torch, requests, tiny

from joulebench.engines import torch_compile
from joulebench.engines.transformers import TransformersEngine
from joulebench.errors import UsageError
from joulebench.work import Load, Request, Sampling
from joulebench.workloads.generate import GenerateWorkload

pytestmark = needs_torch

FIXED = Sampling(max_tokens=6, min_tokens=6)


class Prompts:
    name = "prompts"

    def requests(self) -> list[Request]:
        return requests()

    def grade(self, *_: object) -> None:
        return None


def test_the_warm_up_takes_the_compilation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Graphs are traced for real; only the machine code, which takes a minute, is left out."""
    monkeypatch.setattr(torch_compile, "BACKEND", "eager")
    found = loaded("transformers", compile=True)
    work = GenerateWorkload(
        engine=found, task=Prompts(), load=Load(), sampling=FIXED, warmup_prompts=2
    )
    before = found.facts()["graphs_compiled"]
    work.warm_up()
    assert found.facts()["graphs_compiled"] > before
    result = work.run()
    assert result.facts["engine"]["compile"] is True
    assert result.facts["engine"]["graphs_compiled"] == 0  # none in the measured window
    plain = [tiny().generate([request], FIXED)[0].text for request in requests()]
    assert [response.text for response in result.responses] == plain


def test_a_compiler_that_gives_up_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("no compiler here\nand more")

    monkeypatch.setattr(torch_compile, "BACKEND", broken)
    found = TransformersEngine("tiny_a", device="cpu", threads=1, compile=True)
    found.load()
    with pytest.raises(UsageError, match="compile: true: the compiler gave up") as error:
        found.generate(requests()[:1], FIXED)
    assert "\n" not in str(error.value)
    assert "compile" not in tiny().facts()
