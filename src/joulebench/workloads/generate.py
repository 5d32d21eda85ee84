"""Generation: a task's prompts put to an engine as a load says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Any

from joulebench.channel import Window
from joulebench.clock import Clock, RealClock
from joulebench.work import (
    Engine,
    Load,
    Request,
    Response,
    Sampling,
    Task,
)
from joulebench.workloads.load_drive import OVERLAPPING, Drive, asked
from joulebench.workloads.peaks import begin_peaks, peak_memory
from joulebench.workloads.score import RulesScorer, Scorer
from joulebench.workloads.serving import (
    arrivals_facts,
    serving,
    serving_findings,
    steady_window,
)
from joulebench.workloads.warmup import Warmup, warm_until_stable
from joulebench.workloads.workload import WorkResult


class GenerateWorkload:
    """Puts the prompts of a task to an engine.

    Args:
        engine: Generates.
        task: Gives the prompts and grades the answers.
        load: How requests arrive, and how many there are.
        sampling: How tokens are drawn.
        warmup_prompts: Prompts generated before the measured window; 0 for no warm-up at all.
        scorer: Grades the answers; the task's own rules if not given.
    """

    def __init__(
        self,
        engine: Engine,
        task: Task,
        load: Load,
        sampling: Sampling,
        warmup_prompts: int = 2,
        scorer: Scorer | None = None,
    ) -> None:
        self.engine = engine
        self.task = task
        self.load_kind = load
        self.sampling = sampling
        self.warmup_prompts = warmup_prompts
        self.scorer = scorer or RulesScorer(task)
        self.clock: Clock = RealClock()
        self.partial = WorkResult()
        self._warmup: Warmup | None = None
        self._late_s: list[float] = []

    def import_libraries(self) -> None:
        """Import the engine's libraries."""
        self.engine.import_libraries()

    def load(self) -> None:
        """Load the engine's model."""
        with self._facts_kept():
            self.engine.load()

    def warm_up(self) -> None:
        """Generate for the first prompts until the last latencies agree."""
        if self.warmup_prompts == 0:
            return
        batches = [_as_warmup(batch) for batch in self._batches()]
        with self._facts_kept():
            self._warmup = warm_until_stable(self._generate, batches, self.warmup_prompts)

    def run(self) -> WorkResult:
        """Generate for every request of the load."""
        begin_peaks(self.engine)
        before = self.engine.facts()
        requests = asked(self.task.requests(), self.load_kind.requests)
        drive = Drive(self.engine, self.sampling, self.load_kind, self.clock)
        try:
            drive.run(requests)
        except Exception:
            self.partial = self._kept(requests, drive)
            raise
        responses = _in_order(requests, drive.answered)
        self._late_s = drive.late_s
        self.partial = WorkResult(  # whatever fails from here on, the answers are there
            responses=responses,
            windows=self._phases(drive),
            work=_work(responses),
            facts=self._facts(_counts_since(before, self.engine.facts())),
            requests=requests,
        )
        return self.partial

    def grade(self, result: WorkResult) -> None:
        """Grade the answers, unless a score would mean nothing: the facts then say why."""
        self._say_how_served(result)
        self.scorer.grade(result, self.engine)

    def close(self) -> None:
        """Free the engine's model."""
        self.engine.close()

    def _say_how_served(self, result: WorkResult) -> None:
        """Put into a result how the load was served; no part of what is measured."""
        served = serving(result.responses, self.load_kind)
        if served is not None:
            result.facts["serving"] = served
            result.windows += steady_window(served)
        if self._late_s:
            result.facts["arrivals"] = arrivals_facts(self._late_s, self.load_kind)
        result.findings += serving_findings(result.facts)

    def _batches(self) -> list[list[Request]]:
        requests = self.task.requests()
        size = 1 if self.load_kind.kind == "sequential" else self.load_kind.batch_size
        return [requests[i : i + size] for i in range(0, len(requests), size)]

    def _generate(self, batch: Sequence[Request]) -> list[Response]:
        return self.engine.generate(batch, self.sampling)

    def _phases(self, drive: Drive) -> list[Window]:
        """Give the phases of requests; where requests overlap, none is of one phase alone."""
        if self.load_kind.kind in OVERLAPPING:
            return []
        return [window for batch in drive.together for window in phases(batch)]

    def _kept(self, requests: Sequence[Request], drive: Drive) -> WorkResult:
        """Give what was answered before an engine failed, without amounts and without a score."""
        return WorkResult(
            responses=_in_order(requests, drive.answered),
            requests=list(requests),
            facts=self._facts(self.engine.facts()),
        )

    @contextmanager
    def _facts_kept(self) -> Iterator[None]:
        """Keep what is known of an engine that fails before the measured work."""
        try:
            yield
        except Exception:
            self.partial = WorkResult(facts=self._facts(self.engine.facts()))
            raise

    def _facts(self, engine: dict[str, Any]) -> dict[str, Any]:
        facts: dict[str, Any] = {
            "engine": engine,
            **peak_memory(engine),
            "sampling": asdict(self.sampling),
            "load": self.load_kind.to_dict(),
            "task": self.task.name,
            **(self.task.facts() if hasattr(self.task, "facts") else {}),
        }
        if self._warmup is not None:
            facts["warmup"] = self._warmup.to_dict()
        return facts


def _in_order(requests: Sequence[Request], answered: Sequence[Response]) -> list[Response]:
    """Give answers in the order asked, whatever the order in which they came."""
    place = {request.request_id: number for number, request in enumerate(requests)}
    return sorted(answered, key=lambda response: place[response.request_id])


def phases(batch: Sequence[Response]) -> list[Window]:
    """Give the prefill and decode windows of requests that were generated together.

    The decode window is absent where every answer had one token. Prefill is taken up to the last
    first token of the batch, decode from there to the last token.
    """
    if not batch:
        return []
    start_s = min(response.start_s for response in batch)
    first_token_s = max(response.first_token_s for response in batch)
    stop_s = max(response.stop_s for response in batch)
    edges = (("prefill", start_s, first_token_s), ("decode", first_token_s, stop_s))
    return [Window(name, begin_s, end_s) for name, begin_s, end_s in edges if end_s > begin_s]


def _as_warmup(batch: Sequence[Request]) -> list[Request]:
    return [replace(request, request_id=f"warmup-{request.request_id}") for request in batch]


def _work(responses: Sequence[Response]) -> dict[str, Any]:
    known = all(response.knows_tokens_in for response in responses)
    tokens_in = {"tokens_in": sum(response.tokens_in for response in responses)} if known else {}
    return {
        "requests": len(responses),
        **tokens_in,
        "tokens_out": sum(response.tokens_out for response in responses),
    }


def _counts_since(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """Give the facts with counts of the measured window alone, the warm-up's left out."""
    counted = (
        "prompts_truncated", "outputs_capped", "outputs_short", "untimed", "counted_by_usage",
        "counted_by_chunks", "retries", "retry_wait_s", "graphs_compiled",
    )  # fmt: skip
    return after | {name: after[name] - before[name] for name in counted if name in after}
