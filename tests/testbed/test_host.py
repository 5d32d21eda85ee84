"""Facts of a machine."""

from __future__ import annotations

import json
from pathlib import Path

from joulebench.testbed.host import cpu_model, host_facts, host_id, usable_cpus, virtualisation


def test_facts_are_json_and_only_what_is_known(tmp_path: Path) -> None:
    facts = host_facts(tmp_path)
    json.dumps(facts, allow_nan=False)
    assert facts["logical_cpus"] >= usable_cpus() >= 1
    assert facts["memory_bytes"] > 1 << 20
    assert "joulebench" in facts["packages"]
    assert "governor" not in facts  # the empty root has none
    assert all(fact not in (None, "", [], {}) for fact in facts.values())


def test_facts_are_read_from_the_system(tmp_path: Path) -> None:
    governor = tmp_path / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"
    governor.parent.mkdir(parents=True)
    governor.write_text("powersave\n")
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cpuinfo").write_text("model name\t: Abacus 3000\nflags : sse hypervisor\n")
    assert host_facts(tmp_path)["governor"] == "powersave"
    assert cpu_model(tmp_path) == "Abacus 3000"
    assert virtualisation(tmp_path) == "hypervisor"


def test_the_id_follows_the_facts() -> None:
    facts = {"hostname": "box", "cpu_model": "a"}
    assert host_id(facts) == host_id(dict(reversed(facts.items())))
    assert host_id(facts) != host_id(facts | {"cpu_model": "b"})
    assert host_id(facts).startswith("box-")
