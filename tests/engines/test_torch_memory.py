from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from engine_cases import needs_torch, requests, tiny

from joulebench.engines import torch_memory
from joulebench.engines.torch_memory import PeakMemory, host_peak, in_memory, is_out_of_memory
from joulebench.engines.transformers import TransformersEngine
from joulebench.record import Run
from joulebench.run_row import row
from joulebench.work import GenerationFailed, Load, Sampling
from joulebench.workloads.generate import GenerateWorkload
from joulebench.workloads.peaks import peak_memory

pytestmark = needs_torch

MIB = 2**20


def cpu() -> Any:
    import torch

    return torch.device("cpu")


def test_the_hosts_peak_is_that_since_it_began_anew() -> None:
    import torch

    peak = PeakMemory()
    kept = torch.ones(64 * MIB, dtype=torch.uint8)
    assert kept.sum()
    high = host_peak()
    del kept
    peak.begin(cpu())
    if not peak.anew:
        pytest.skip("this system does not let a process reset its peak")
    facts = peak.facts(cpu())
    assert high is not None
    assert facts["peak_host_bytes"] < high - 32 * MIB
    assert facts["peak_host_since"] == "measure"
    assert "peak_device_bytes" not in facts
    again = torch.ones(64 * MIB, dtype=torch.uint8)
    assert again.sum()
    assert peak.facts(cpu())["peak_host_bytes"] > facts["peak_host_bytes"] + 32 * MIB


def test_where_a_peak_cannot_be_reset_facts_say_since_when(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(torch_memory, "_CLEAR", tmp_path / "none" / "clear_refs")
    peak = PeakMemory()
    peak.begin(cpu())
    assert peak.facts(cpu())["peak_host_since"] == "start of the process"
    assert host_peak(tmp_path / "status") is None


def test_a_gpus_peak_is_that_of_its_tensors(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    reset: list[Any] = []
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", reset.append)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda _: 3 * MIB)
    device, peak = torch.device("cuda:1"), PeakMemory()
    peak.begin(device)
    assert reset == [device]
    assert peak.facts(device)["peak_device_bytes"] == 3 * MIB


def complaints() -> list[BaseException]:
    import torch

    return [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:1] DefaultCPUAllocator: can't allocate memory"
        ),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes."),
        MemoryError(),
    ]


@pytest.mark.parametrize("number", range(4))
def test_a_lack_of_memory_is_one_line(number: int) -> None:
    with pytest.raises(GenerationFailed) as error, in_memory(cpu(), "generating"):
        raise complaints()[number]
    assert "out of memory on cpu while generating after a peak of" in str(error.value)
    assert "take a smaller batch_size, max_model_len" in str(error.value)
    assert "\n" not in str(error.value)


def test_another_error_stays_what_it_is() -> None:
    assert not is_out_of_memory(RuntimeError("the sizes of tensors do not match"))
    with pytest.raises(RuntimeError, match="do not match"), in_memory(cpu(), "generating"):
        raise RuntimeError("the sizes of tensors do not match")


LIMITED = """
import json, resource, sys
from joulebench.engines.transformers import TransformersEngine
from joulebench.work import GenerationFailed, Request, Sampling
engine = TransformersEngine("tiny_a", device="cpu", threads=1)
engine.import_libraries()
engine.load()
sampling = Sampling(max_tokens=2, min_tokens=2)
engine.generate([Request("a", "Hello")], sampling)
used = next(int(line.split()[1]) for line in open("/proc/self/status") if "VmSize" in line)
resource.setrlimit(resource.RLIMIT_AS, (used * 1024 + 150 * 2**20,) * 2)
batch = [Request(f"r{i}", "word " * 400) for i in range(400)]
try:
    engine.generate(batch, sampling)
except GenerationFailed as error:
    print(json.dumps(str(error)))
answers = engine.generate(batch[:1], sampling)
print(json.dumps([answers[0].tokens_out, engine.facts()["peak_host_bytes"]]))
"""


def test_a_batch_too_large_for_the_machine_fails_alone() -> None:
    """For real, under a limit: one line, and the engine goes on with a smaller batch."""
    done = subprocess.run(
        [sys.executable, "-c", LIMITED], capture_output=True, text=True, timeout=120, check=True
    )
    line, answered = (json.loads(text) for text in done.stdout.splitlines()[-2:])
    assert "out of memory on cpu while generating for 400 request(s) after a peak of" in line
    assert answered[0] == 2
    assert answered[1] > 100 * MIB


class TwoTasks:
    name = "two"

    def requests(self) -> list[Any]:
        return requests()

    def grade(self, *_: Any) -> None:
        return None


def workload(engine: TransformersEngine) -> GenerateWorkload:
    return GenerateWorkload(
        engine=engine, task=TwoTasks(), load=Load(), sampling=Sampling(max_tokens=2)
    )


def test_a_run_has_its_peak_in_facts_and_table() -> None:
    found = tiny()
    assert isinstance(found, TransformersEngine)
    result = workload(found).run()
    peaks = result.facts["peak_memory"]
    assert peaks == {"host_bytes": result.facts["engine"]["peak_host_bytes"]}
    run = Run(run_id="r", study="s", trial={}, started_at="2026-01-01T00:00:00Z")
    run.facts |= result.facts
    assert row(run)["peak_host_bytes"] == peaks["host_bytes"]
    assert peak_memory({"peak_device_bytes": 5}) == {"peak_memory": {"device_bytes": 5}}
    assert peak_memory({}) == {}


@pytest.mark.parametrize("step", ["load", "warm_up", "run"])
def test_a_failed_run_keeps_its_peak(monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    found = TransformersEngine("tiny_a", device="cpu")
    work = workload(found)
    if step != "load":
        work.load()

    def full(*_: Any) -> None:
        raise GenerationFailed("out of memory")

    monkeypatch.setattr(found, "load" if step == "load" else "generate", full)
    with pytest.raises(GenerationFailed):
        getattr(work, step)()
    assert work.partial.facts["peak_memory"]["host_bytes"] > MIB
    assert work.partial.facts["engine"]["model"] == "tiny_a"
