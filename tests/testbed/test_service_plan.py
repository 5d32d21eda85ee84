"""What of a plan is refused, what is hidden, and which part of a file is meant."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from service_server import body, command, generation

from joulebench.errors import UsageError
from joulebench.record import dumps
from joulebench.study_file import Adaptive, Cooldown, Protocol
from joulebench.testbed.service_bodies import (
    EXAMPLE_PLAN,
    AdaptiveBody,
    CooldownBody,
    PlanBody,
    ProtocolBody,
    RunRequest,
    plain,
)
from joulebench.testbed.service_files import byte_range, clean_log
from joulebench.testbed.service_plan import check_callback, refuse_forbidden
from joulebench.testbed.service_secrets import HIDDEN, Secrets, redacted
from joulebench.testbed.service_settings import ServiceSettings
from joulebench.testbed.service_trial import digest_of, is_id
from joulebench.testbed.service_watch import Watch


def settings(tmp_path: Path, **options: Any) -> ServiceSettings:
    return ServiceSettings(tmp_path / "state", **options)


@pytest.mark.parametrize(
    ("mirror", "original"),
    [(ProtocolBody, Protocol), (CooldownBody, Cooldown), (AdaptiveBody, Adaptive)],
)
def test_a_plan_may_have_what_a_study_may_have(mirror: Any, original: Any) -> None:
    assert set(mirror.model_fields) == set(original.model_fields)
    assert mirror().model_dump() == original().model_dump()


@pytest.mark.parametrize("plan", [generation("g.r01"), command("c.r01", "true"), EXAMPLE_PLAN])
def test_what_a_study_plans_can_be_sent(plan: dict[str, Any]) -> None:
    sent = RunRequest.model_validate(body(plan))
    assert sent.plan.model_dump(exclude_unset=True) == plan


def test_a_plan_of_every_order_can_be_sent() -> None:
    assert PlanBody.model_validate(generation("control-2.drift_b01"))


FORBIDDEN = [
    ({"model": "/etc"}, "--models"),
    ({"model": "~/secret"}, "--models"),
    ({"model": "a/../../b"}, "--models"),
    ({"model": ".."}, "--models"),
    ({"engine": {"kind": "transformers", "tokenizer": "/x"}}, "--models"),
    ({"engine": {"kind": "vllm", "trust_remote_code": True}}, "--allow-command"),
    ({"engine": {"kind": "openai", "url": "http://169.254.169.254"}}, "--allow-command"),
    ({"engine": {"kind": "openai", "url": "http://localhost:1"}}, "--allow-command"),
    ({"engine": {"kind": "openai", "api_key_env": "HF_TOKEN"}}, "--allow-command"),
    ({"engine": {"kind": "openai", "serve": {"command": ["sh"]}}}, "--allow-command"),
    ({"tasks": {"data": "/data"}}, "--data"),
    ({"tasks": {"prompts": "../p.jsonl"}}, "--data"),
    ({"load": {"kind": "open", "arrivals": "trace", "trace": "/etc/passwd"}}, "--data"),
    ({"load": {"kind": "open", "arrivals": "trace", "trace": "notes.txt"}}, "--data"),
    ({"tasks": {"lm_eval": {"include_path": "/data"}}}, "--allow-command"),
    ({"meters": [{"replay": {"path": "/var/log/x.parquet"}}]}, "--data"),
    ({"meters": [{"simulated": {"watts": "/etc/passwd"}}]}, "--data"),
    ({"meters": [{"energibridge": {"executable": "sh"}}]}, "--allow-meter energibridge"),
    ({"meters": [{"prometheus": {"url": "http://169.254.169.254"}}]}, "--allow-meter"),
    ({"meters": [{"redfish": {"Password_ENV": "HF_TOKEN"}}]}, "--allow-meter redfish"),
    ({"meters": [{"snmp": {"host": "10.0.0.1"}}]}, "--allow-meter snmp"),
]


@pytest.mark.parametrize(("change", "option"), FORBIDDEN)
def test_what_reaches_beyond_the_testbed_is_refused(
    tmp_path: Path, change: dict[str, Any], option: str
) -> None:
    with pytest.raises(UsageError, match=option):
        refuse_forbidden(generation("x") | change, settings(tmp_path))


ALLOWED: list[dict[str, Any]] = [
    {"model": "tiny_a"},
    {"model": "org/name"},
    {"tasks": {"data": "hub", "items": 3}},
    {"meters": "auto"},
    {"meters": ["nvml", {"nvml": {"devices": [0]}}, {"rapl": None}]},
]


@pytest.mark.parametrize("change", ALLOWED)
def test_names_and_own_sensors_are_allowed(tmp_path: Path, change: dict[str, Any]) -> None:
    refuse_forbidden(generation("x") | change, settings(tmp_path))


def test_each_option_allows_what_it_says(tmp_path: Path) -> None:
    for folder in ("items", "weights"):
        (tmp_path / folder).mkdir()
    bed = settings(
        tmp_path,
        data=(tmp_path / "items",),
        models=(tmp_path / "weights",),
        meters=("prometheus",),
    )
    meters = [{"prometheus": {"url": "http://db", "query": "a/b/c"}}]
    plan = generation("x", model=str(tmp_path / "weights/a"), meters=meters)
    refuse_forbidden(plan | {"tasks": {"data": str(tmp_path / "items")}}, bed)
    with pytest.raises(UsageError, match="--data"):
        refuse_forbidden(plan | {"tasks": {"data": str(tmp_path / "weights")}}, bed)
    with pytest.raises(UsageError, match="--allow-command"):
        refuse_forbidden(command("c", "true"), bed)
    refuse_forbidden(command("c", "true"), settings(tmp_path, allow_command=True))


def test_callbacks_go_to_hosts_that_are_allowed(tmp_path: Path) -> None:
    bed = settings(tmp_path, callbacks=("orchestrator", "other:9000", "[::1]:80"))
    for url in (
        "http://orchestrator/x",
        "https://Orchestrator:77/",
        "http://other:9000",
        "http://[::1]/",
    ):
        check_callback(url, bed)
    for url in (
        "http://other/", "http://other:9001", "http://orchestrator.evil.example/",
        "http://orchestrator@evil.example/", "ftp://orchestrator/", "//orchestrator", "http://",
        "http://orchestrator:99999/", "http://orchestrator/a b", "http://orchestrator\\@x/",
    ):  # fmt: skip
        with pytest.raises(UsageError, match="callback_url"):
            check_callback(url, bed)


def test_secrets_are_hidden_and_counts_of_tokens_are_not() -> None:
    plan = {
        "engine": {"api_key": "k-12345", "headers": {"Authorization": "Bearer abcdef"}},
        "meters": [{"x": {"password": 12345678, "hf-token": "t0ken5", "token_env": "T"}}],
        "sampling": {"max_tokens": 64, "joules_per_token": 1.5, "eos_token": "</s>"},
        "command": ["curl", "http://me:hunter22@host/"],
        "empty": {"token": ""},
    }
    hidden = redacted(plan)
    assert hidden == {
        "engine": {"api_key": HIDDEN, "headers": {"Authorization": HIDDEN}},
        "meters": [{"x": {"password": HIDDEN, "hf-token": HIDDEN, "token_env": "T"}}],
        "sampling": {"max_tokens": 64, "joules_per_token": 1.5, "eos_token": "</s>"},
        "command": ["curl", f"http://me:{HIDDEN}@host/"],
        "empty": {"token": ""},
    }
    said = Secrets(plan).hide("k-12345, Bearer abcdef, 12345678, t0ken5, hunter22, 64, T")
    assert said == f"{HIDDEN}, {HIDDEN}, {HIDDEN}, {HIDDEN}, {HIDDEN}, 64, T"
    assert digest_of(plan) == digest_of(plan | {"engine": hidden["engine"]})


def test_what_was_measured_and_its_names_stay_in_a_record() -> None:
    record = {
        "run_id": "copa-2.r01",
        "trial": {"levels": {"task": "copa-2"}},
        "facts": {"per_token": 3.5, "tokens": 7, "said": "copa-2", "api_key": 4.5},
    }
    hidden = Secrets({"password": "copa-2"}).hide_in(record)
    assert hidden == record | {"facts": record["facts"] | {"said": HIDDEN}}  # type: ignore[operator]


def test_the_middle_of_a_long_log_is_left_out(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    log.write_bytes(b"".join(b"line %05d pass-word\n" % n for n in range(1000)) + b"\xff end\n")
    clean_log(log, Secrets({"password": "pass-word"}), most=2000)
    left = log.read_bytes()
    assert left.startswith(b"line 00000 [hidden]\n")
    assert left.endswith(b"line 00999 [hidden]\n\xff end\n")
    assert b"bytes left out" in left
    assert len(left) < 2200


@pytest.mark.parametrize(
    ("header", "size", "expected"),
    [
        ("bytes=0-0", 10, (0, 1)),
        ("bytes=3-", 10, (3, 10)),
        ("bytes=-3", 10, (7, 10)),
        ("bytes=-30", 10, (0, 10)),
        ("bytes=5-99", 10, (5, 10)),
        ("BYTES=5-6", 10, (5, 7)),
        ("bytes=6-5", 10, None),
        ("bytes=0-1,3-4", 10, None),
        ("bytes=-", 10, None),
        ("bytes=a-b", 10, None),
        ("lines=0-1", 10, None),
    ],
)
def test_a_range_is_read_as_the_protocol_has_it(
    header: str, size: int, expected: tuple[int, int] | None
) -> None:
    assert byte_range(header, size) == expected


@pytest.mark.parametrize(
    ("header", "size"), [("bytes=10-", 10), ("bytes=-0", 10), ("bytes=0-", 0), ("bytes=-1", 0)]
)
def test_a_range_with_no_byte_in_it_is_refused(header: str, size: int) -> None:
    with pytest.raises(ValueError, match="bytes"):
        byte_range(header, size)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON)
def test_what_is_let_in_can_be_written_down(value: Any) -> None:
    try:
        plain(value)
    except ValueError:
        return
    dumps({"value": value}).encode()
    digest_of({"value": value})
    Secrets({"token": value}).hide("text")


def test_deep_values_are_refused_before_they_run_out_of_stack() -> None:
    value: Any = 1
    for _ in range(5000):
        value = [value]
    with pytest.raises(ValueError, match="levels deep"):
        plain(value)


def test_ids_hold_no_path() -> None:
    study = "0" * 32
    assert is_id(f"{study}~model-a.task-copa.r01")
    for wrong in ("..", "a/b", ".a", "a\nb", "a b", "", "a" * 181, "é" * 100, "a\x00"):
        assert not is_id(f"{study}~{wrong}")
    assert not is_id(f"{study[:-1]}~a")
    assert not is_id(f"{study}~a\n")


def test_a_watcher_is_woken_from_another_thread_and_misses_nothing() -> None:
    watch = Watch()

    async def look() -> list[int]:
        waiting = asyncio.create_task(watch.changed(0, 10.0))
        await asyncio.sleep(0.01)
        await asyncio.to_thread(watch.tell, "phase", {"phase": "idle"})
        assert await waiting
        assert not await watch.changed(1, 0.01)
        for number in range(3):
            watch.tell("watts", {"watts": number})
        assert await watch.changed(1, 10.0)
        return [event.number for event in watch.since(1)]

    assert asyncio.run(look()) == [2, 3, 4]
    assert watch.number_of(watch.since(0)[0].id) == 1
    for foreign in ("", "x", "00000000-1", f"{watch.since(0)[0].id}x", "-"):
        assert watch.number_of(foreign) is None
