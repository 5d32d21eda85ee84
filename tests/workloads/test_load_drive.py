"""Loads against queueing theory, on computed time: an echo whose service time is known."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from joulebench.clock import VirtualClock
from joulebench.engines.echo import EchoEngine
from joulebench.errors import UsageError
from joulebench.work import Engine, GenerationFailed, Load, Request, Response, Sampling
from joulebench.workloads.load_arrivals import due_times, read_trace
from joulebench.workloads.load_drive import Drive, Queued, asked
from joulebench.workloads.serving import serving

SERVICE_S = 1.0
WORDS = Sampling(max_tokens=10, min_tokens=10)


class Working:
    """An engine that works through what it is given, and takes nothing meanwhile."""

    def __init__(self, clock: VirtualClock, fails_at: int = 0) -> None:
        self._echo = echo(clock)
        self._fails_at = fails_at
        self.sizes: list[int] = []

    def import_libraries(self) -> None:
        pass

    def load(self) -> None:
        pass

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> list[Response]:
        self.sizes.append(len(requests))
        if len(self.sizes) == self._fails_at:
            kept = self._echo.generate(requests[:1], sampling)
            raise GenerationFailed("the server is dead", kept)
        return self._echo.generate(requests, sampling)

    def facts(self) -> dict[str, Any]:
        return {}

    def close(self) -> None:
        pass


def echo(clock: VirtualClock, slots: int | None = None) -> EchoEngine:
    engine = EchoEngine(token_s=SERVICE_S / 10, slots=slots)
    engine.use_clock(clock)
    return engine


def driven(load: Load, engine: Engine, clock: VirtualClock, seed: int = 0) -> Drive:
    sampling = Sampling(max_tokens=10, min_tokens=10, seed=seed)
    drive = Drive(engine, sampling, load, clock)
    drive.run(asked([Request("a", "x y"), Request("b", "z")], load.requests))
    return drive


@pytest.fixture(params=["slot", "queue"])
def one_server(request: pytest.FixtureRequest) -> tuple[Engine, VirtualClock]:
    """One request served at a time: by the engine itself, and by the queue before one."""
    clock = VirtualClock(1000.0)
    return (echo(clock, 1) if request.param == "slot" else Working(clock)), clock


@pytest.mark.parametrize("use", [0.3, 0.7])
def test_poisson_arrivals_wait_as_pollaczek_and_khinchine_say(
    one_server: tuple[Engine, VirtualClock], use: float
) -> None:
    """Mean wait of M/D/1: rho S / 2 (1 - rho); its scatter from independent stretches."""
    load = Load(kind="open", rate_per_s=use / SERVICE_S, requests=20_000)
    waits = np.array([r.start_s - r.arrived_s for r in driven(load, *one_server, seed=7).answered])
    means = waits.reshape(20, -1).mean(axis=1)
    expected_s = use * SERVICE_S / (2 * (1 - use))
    assert abs(waits.mean() - expected_s) < 4 * means.std(ddof=1) / math.sqrt(20)
    assert waits.min() == pytest.approx(0.0, abs=1e-9)


def test_of_poisson_arrivals_as_many_wait_as_the_server_is_busy(
    one_server: tuple[Engine, VirtualClock],
) -> None:
    load = Load(kind="open", rate_per_s=0.5, requests=20_000)
    waits = np.array([r.start_s - r.arrived_s for r in driven(load, *one_server).answered])
    assert np.mean(waits > 1e-9) == pytest.approx(0.5, abs=0.03)


def test_even_arrivals_below_capacity_never_wait(one_server: tuple[Engine, VirtualClock]) -> None:
    load = Load(kind="open", rate_per_s=0.8, arrivals="constant", requests=200)
    answered = driven(load, *one_server).answered
    assert max(r.start_s - r.arrived_s for r in answered) < 1e-9


def test_above_capacity_the_wait_grows_by_the_same_each_time(
    one_server: tuple[Engine, VirtualClock],
) -> None:
    load = Load(kind="open", rate_per_s=2.0, arrivals="constant", requests=100)
    waits = [r.start_s - r.arrived_s for r in driven(load, *one_server).answered]
    assert waits == pytest.approx([0.5 * place for place in range(100)], abs=1e-6)


def test_arrivals_do_not_wait_for_answers() -> None:
    clock = VirtualClock(1000.0)
    load = Load(kind="open", rate_per_s=10.0, arrivals="constant", requests=50)
    drive = driven(load, echo(clock), clock)
    assert [r.arrived_s for r in drive.answered] == pytest.approx(
        [1000 + 0.1 * place for place in range(50)]
    )
    assert max(r.stop_s - r.arrived_s for r in drive.answered) == pytest.approx(SERVICE_S)
    assert max(drive.late_s) < 1e-9


@pytest.mark.parametrize("users", [1, 3, 8])
def test_closed_throughput_is_users_by_service_time(users: int) -> None:
    clock = VirtualClock(1000.0)
    load = Load(kind="closed", concurrency=users, requests=20 * users)
    served = serving(driven(load, echo(clock), clock).answered, load)
    assert served is not None
    assert served["requests_per_s"] == pytest.approx(users / SERVICE_S, rel=1e-9)
    assert served["latency_s"]["max"] == pytest.approx(SERVICE_S)


def test_closed_users_never_exceed_their_number() -> None:
    clock = VirtualClock(1000.0)
    load = Load(kind="closed", concurrency=4, requests=50)
    answered = driven(load, echo(clock, slots=3), clock).answered
    edges = sorted([(r.arrived_s, 1) for r in answered] + [(r.stop_s, -1) for r in answered])
    flying = list(itertools.accumulate(step for _, step in edges))
    assert max(flying) == 4
    # Little's law: users = throughput x latency, where three are served at a time.
    served = serving(answered, load)
    assert served is not None
    assert served["latency_s"]["p50"] == pytest.approx(SERVICE_S * 4 / 3, rel=0.26)


def test_what_waits_is_taken_together_up_to_the_batch_size() -> None:
    clock = VirtualClock(1000.0)
    engine = Working(clock)
    driven(Load(kind="closed", concurrency=6, batch_size=4, requests=20), engine, clock)
    assert engine.sizes[:3] == [4, 4, 4]
    assert sum(engine.sizes) == 20
    assert max(engine.sizes) == 4


def test_an_engine_that_keeps_answers_back_is_not_waited_for_for_ever() -> None:
    class Short(Working):
        def generate(self, requests: Sequence[Request], sampling: Sampling) -> list[Response]:
            return super().generate(requests, sampling)[1:]

    clock = VirtualClock()
    load = Load(kind="closed", concurrency=3, batch_size=3)
    drive = Drive(Short(clock), Sampling(), load, clock)
    with pytest.raises(GenerationFailed, match="gave 2 answers to 3 requests"):
        drive.run([Request(f"r{n}", "a b") for n in range(6)])
    assert len(drive.answered) == 2


def test_an_empty_queue_gives_nothing() -> None:
    assert Queued(Working(VirtualClock()), 4).collect(1.0) == []


def test_prompts_taken_again_have_ids_of_their_own() -> None:
    prompts = [Request("a", "x"), Request("b", "y")]
    ids = [request.request_id for request in asked(prompts, 5)]
    assert ids == ["a", "b", "a-2", "b-2", "a-3"]
    assert [request.prompt for request in asked(prompts, 5)] == ["x", "y", "x", "y", "x"]
    assert asked(prompts, 1) == prompts[:1]
    assert asked(prompts, None) == prompts
    assert asked([], 5) == []


@pytest.mark.parametrize(
    "load",
    [
        Load(kind="closed", concurrency=2, requests=6),
        Load(kind="open", rate_per_s=1.0, requests=6),
        Load(kind="batch", batch_size=2, requests=6),
    ],
    ids=lambda load: load.kind,
)
def test_what_was_answered_before_a_failure_is_kept(load: Load) -> None:
    clock = VirtualClock(1000.0)
    drive = Drive(Working(clock, fails_at=3), WORDS, load, clock)
    with pytest.raises(GenerationFailed, match="the server is dead"):
        drive.run(asked([Request("a", "x y")], load.requests))
    ids = [response.request_id for response in drive.answered]
    assert len(ids) == len(set(ids)) == (5 if load.kind == "batch" else 3)
    assert all(math.isnan(r.arrived_s) == (load.kind == "batch") for r in drive.answered)


class Choosy(EchoEngine):
    """Takes requests while others are under way, but not every one."""

    def submit(self, request: Request, sampling: Sampling) -> None:
        if request.request_id == "a-5":
            raise UsageError("this one is too long")
        super().submit(request, sampling)


@pytest.mark.parametrize(
    "load",
    [
        Load(kind="closed", concurrency=3, requests=9),
        Load(kind="open", rate_per_s=3.0, arrivals="constant", requests=9),
    ],
    ids=lambda load: load.kind,
)
def test_what_is_under_way_when_a_request_is_refused_is_kept(load: Load) -> None:
    clock = VirtualClock(1000.0)
    engine = Choosy(token_s=SERVICE_S / 10)
    engine.use_clock(clock)
    drive = Drive(engine, WORDS, load, clock)
    with pytest.raises(UsageError, match="too long"):
        drive.run(asked([Request("a", "x y")], load.requests))
    ids = {response.request_id for response in drive.answered}
    assert ids == {"a", "a-2", "a-3", "a-4"}
    assert not any(math.isnan(response.arrived_s) for response in drive.answered)


def test_a_failure_while_the_rest_is_collected_hides_no_refusal() -> None:
    class Dies(Choosy):
        def collect(self, timeout_s: float) -> list[Response]:
            answers = super().collect(timeout_s)
            if self._taken > 3 and answers:
                raise GenerationFailed("the server is dead", answers)
            return answers

    clock = VirtualClock(1000.0)
    engine = Dies(token_s=SERVICE_S / 10)
    engine.use_clock(clock)
    load = Load(kind="open", rate_per_s=30.0, arrivals="constant", requests=9)
    drive = Drive(engine, WORDS, load, clock)
    with pytest.raises(UsageError, match="too long"):
        drive.run(asked([Request("a", "x y")], load.requests))
    assert {response.request_id for response in drive.answered} == {"a"}


def test_equal_seeds_give_equal_arrivals_but_for_their_scale() -> None:
    slow = due_times(Load(kind="open", rate_per_s=1.0), 100, seed=3)
    fast = due_times(Load(kind="open", rate_per_s=4.0), 100, seed=3)
    assert slow[0] == 0.0
    assert [at_s / 4 for at_s in slow] == pytest.approx(fast)
    assert slow != due_times(Load(kind="open", rate_per_s=1.0), 100, seed=4)


def test_poisson_gaps_scatter_as_much_as_their_mean() -> None:
    gaps_s = np.diff(due_times(Load(kind="open", rate_per_s=5.0), 20_001, seed=1))
    assert gaps_s.mean() == pytest.approx(0.2, rel=0.03)
    assert gaps_s.std() == pytest.approx(0.2, rel=0.05)


def test_a_trace_counts_from_its_first_arrival(tmp_path: Path) -> None:
    file = tmp_path / "trace.txt"
    file.write_text("10\n10.5\n\n12\n13\n")
    load = Load(kind="open", arrivals="trace", trace=str(file))
    assert due_times(load, 3, seed=0) == [0.0, 0.5, 2.0]
    with pytest.raises(UsageError, match="has 4 arrivals for 5 requests"):
        due_times(load, 5, seed=0)


def test_a_trace_may_be_a_column(tmp_path: Path) -> None:
    file = tmp_path / "trace.csv"
    file.write_text('id,arrival_s,tokens\n"a, b",1.5,3\nc,2,4\n')
    assert read_trace(file) == [1.5, 2.0]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("0\n1\nzwei\n", ":3: 'zwei' is no arrival time"),
        ("0\n2\n1\n", ":3: 1 s is before the arrival above it"),
        ("0\nnan\n", ":2: 'nan' is no arrival time"),
        ("t,x\n0,1\n", ":1: 't,x' is no arrival time"),
        ("arrival_s,x\n0,1\n\n,2\n", ":4: '' is no arrival time"),
        ("x,arrival_s\n1,0\n2\n", ":3: '' is no arrival time"),
        ("\n", "has no arrival times"),
        ("arrival_s\n", "has no arrival times"),
    ],
)
def test_a_malformed_trace_names_the_line(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "trace.txt"
    file.write_text(text)
    with pytest.raises(UsageError) as error:
        read_trace(file)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_a_trace_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_trace(tmp_path / "none.txt")
    (tmp_path / "latin").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(UsageError, match="UTF-8"):
        read_trace(tmp_path / "latin")
