"""Generation: a task's prompts put to an engine, one at a time or in batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from joulebench.channel import Window
from joulebench.work import (
    Engine,
    GenerationFailed,
    Load,
    Request,
    Response,
    Sampling,
    Task,
)
from joulebench.workloads.score import score_responses
from joulebench.workloads.warmup import Warmup, warm_until_stable
from joulebench.workloads.workload import WorkResult


class GenerateWorkload:
    """Puts every prompt of a task to an engine once.

    Args:
        engine: Generates.
        task: Gives the prompts and grades the answers.
        load: One at a time, or in batches.
        sampling: How tokens are drawn.
        warmup_prompts: Prompts generated before the measured window; 0 for no warm-up at all.
    """

    def __init__(
        self,
        engine: Engine,
        task: Task,
        load: Load,
        sampling: Sampling,
        warmup_prompts: int = 2,
    ) -> None:
        self.engine = engine
        self.task = task
        self.load_kind = load
        self.sampling = sampling
        self.warmup_prompts = warmup_prompts
        self.partial = WorkResult()
        self._warmup: Warmup | None = None

    def import_libraries(self) -> None:
        """Import the engine's libraries."""
        self.engine.import_libraries()

    def load(self) -> None:
        """Load the engine's model."""
        self.engine.load()

    def warm_up(self) -> None:
        """Generate for the first prompts until the last latencies agree."""
        if self.warmup_prompts == 0:
            return
        batches = [_as_warmup(batch) for batch in self._batches()]
        self._warmup = warm_until_stable(self._generate, batches, self.warmup_prompts)

    def run(self) -> WorkResult:
        """Generate for every prompt."""
        before = self.engine.facts()
        batches = self._batches()
        answered: list[list[Response]] = []
        try:
            for batch in batches:
                answered.append(self._generate(batch))  # noqa: PERF401 (kept where one fails)
        except Exception as error:
            self.partial = self._kept(batches, answered, error)
            raise
        requests = [request for batch in batches for request in batch]
        responses = [response for batch in answered for response in batch]
        engine = _counts_since(before, self.engine.facts())
        return WorkResult(
            responses=responses,
            windows=[window for batch in answered for window in phases(batch)],
            work=_work(responses),
            facts=self._facts(engine),
            requests=requests,
        )

    def grade(self, result: WorkResult) -> None:
        """Grade the answers, unless a score would mean nothing: the facts then say why."""
        result.score, reason = score_responses(
            self.task, result.requests, result.responses, result.facts["engine"]
        )
        if reason is not None:
            result.facts["no_score"] = reason

    def close(self) -> None:
        """Free the engine's model."""
        self.engine.close()

    def _batches(self) -> list[list[Request]]:
        requests = self.task.requests()
        size = self.load_kind.batch_size if self.load_kind.kind == "batch" else 1
        return [requests[i : i + size] for i in range(0, len(requests), size)]

    def _generate(self, batch: Sequence[Request]) -> list[Response]:
        return self.engine.generate(batch, self.sampling)

    def _kept(
        self,
        batches: Sequence[Sequence[Request]],
        answered: Sequence[Sequence[Response]],
        error: Exception,
    ) -> WorkResult:
        """Give what was answered before an engine failed, without amounts and without a score."""
        rest = error.responses if isinstance(error, GenerationFailed) else []
        responses = [*(response for batch in answered for response in batch), *rest]
        requests = [request for batch in batches for request in batch]
        facts = self._facts(self.engine.facts())
        return WorkResult(responses=responses, requests=requests, facts=facts)

    def _facts(self, engine: dict[str, Any]) -> dict[str, Any]:
        facts: dict[str, Any] = {
            "engine": engine,
            "sampling": asdict(self.sampling),
            "load": self.load_kind.to_dict(),
            "task": self.task.name,
        }
        if self._warmup is not None:
            facts["warmup"] = self._warmup.to_dict()
        return facts


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
        "counted_by_chunks", "retries", "retry_wait_s",
    )  # fmt: skip
    return after | {name: after[name] - before[name] for name in counted if name in after}
