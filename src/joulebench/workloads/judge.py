"""A judge: another model that says whether answers are correct, once the measured one is gone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from joulebench.clock import Clock
from joulebench.errors import UsageError
from joulebench.finding import Finding
from joulebench.work import Engine, Request, Task
from joulebench.workloads.judge_agreement import agreement, read_labels
from joulebench.workloads.judge_bench import Bench, Case
from joulebench.workloads.judge_prompt import SCHEMA, VERSION, prompt_sha256
from joulebench.workloads.judge_votes import swap_consistency
from joulebench.workloads.load_drive import prompt_id
from joulebench.workloads.score import RANDOM, by_rules, has_random_weights, put_score
from joulebench.workloads.score_settings import JudgeFile
from joulebench.workloads.workload import WorkResult

WINDOW = "judge"

Build = Callable[[Mapping[str, Any], str], Engine]

_STRUCTURING = ("openai",)
"""Engines whose servers may keep an answer to a schema."""

_REFUSES = re.compile(r"HTTP (?!401|403|429)[45]\d\d|response_format")
"""How a server says that it does not know a field; some of them with 500."""


class JudgeScorer:
    """Has a judge say of each answer whether it is correct.

    Args:
        task: Tells what is right, and grades by rules besides.
        settings: Of the judge.
        build: Makes an engine of its configuration and model.
        seed: Of the run's sampling.

    Raises:
        UsageError: An engine that does not exist, or labels that cannot be read.
    """

    window = WINDOW
    frees_engine = True

    def __init__(self, task: Task, settings: JudgeFile, build: Build, seed: int = 0) -> None:
        self.task = task
        self.settings = settings
        self._build = build
        self._seed = seed
        self._log: Path | None = None
        self._clock: Clock | None = None
        self._told: dict[str, Any] = {}
        self._human = read_labels(settings.human) if settings.human else None
        self._forms = _forms(settings)
        self._engine(self._forms[0])  # refused now instead of after the measured work

    def use_log(self, path: Path) -> None:
        """Have a server that the judge's engine starts write its output there."""
        self._log = path

    def grade(self, result: WorkResult, engine: Engine) -> None:
        """Judge every answer; a judge that fails leaves everything else as it is."""
        del engine
        bench = Bench(list(self._cases(result)), self.settings, self._seed)
        failed = ""
        try:
            self._ask(bench)
        except Exception as error:  # what was measured must not be lost to it
            failed = _line(error)
        rules, grades = by_rules(self.task, result), bench.grades()
        result.marks = [
            {"grade": grade, "rules": rule, "judgements": judged.judgements}
            for grade, rule, judged in zip(grades, rules, bench.found, strict=True)
        ]
        others = {"rules": rules}
        if self._human is not None:
            others["human"] = self._labels(self._human, result.requests)
        facts = self._facts(bench, grades) | {"agreement": agreement(grades, others)}
        result.facts["judge"] = facts = facts | ({"failed": failed} if failed else {})
        result.findings += _findings(facts, len(grades))
        why = self._no_score(result, failed)
        if why:
            result.facts["no_score"] = why
        else:
            put_score(result, grades, "judge", {})

    def use_clock(self, clock: Clock) -> None:
        """Judge on this clock, which only an engine that merely waits can.

        Raises:
            UsageError: The judge's engine does real work.
        """
        self._clock = clock
        self._engine(self._forms[0])

    def _labels(self, human: Mapping[str, bool], requests: Sequence[Request]) -> list[bool | None]:
        """Give people's label of each answer; a prompt that is asked again has that of the prompt.

        A label of its own comes first.
        """
        prompts = {each.request_id for each in self.task.requests()}
        own = [human.get(each.request_id) for each in requests]
        first = [human.get(prompt_id(each.request_id, prompts)) for each in requests]
        return [a if a is not None else b for a, b in zip(own, first, strict=True)]

    def _cases(self, result: WorkResult) -> Iterator[Case]:
        choices = getattr(self.task, "choices", lambda _request: None)
        for request, response in zip(result.requests, result.responses, strict=True):
            yield Case(request, response.text, choices(request))

    def _ask(self, bench: Bench) -> None:
        """Ask, without a schema where the server does not know such a thing."""
        for structured in self._forms:
            engine = self._engine(structured)
            try:
                engine.import_libraries()
                engine.load()
                bench.ask(engine)
            except UsageError as error:
                last = structured == self._forms[-1]
                if last or bench.requests or not _REFUSES.search(str(error)):
                    raise
            else:
                return
            finally:
                self._note(engine, structured=structured)

    def _note(self, engine: Engine, *, structured: bool) -> None:
        """Keep what the engine tells of itself, and free it."""
        with suppress(Exception):  # one that did not load may have nothing to tell
            self._told = {**engine.facts(), "structured": structured}
            self._told.pop("extra", None)  # the schema, which the digest stands for
            if own := self.settings.engine.get("extra"):
                self._told["extra"] = dict(own)
        engine.close()

    def _engine(self, structured: bool) -> Engine:
        config = dict(self.settings.engine)
        if structured:
            config["extra"] = {"response_format": SCHEMA, **(config.get("extra") or {})}
        engine = self._build(config, self.settings.model)
        if self._clock is not None:
            _put_on(engine, self._clock, str(config.get("kind")))
        use_log = getattr(engine, "use_log", None)
        if use_log is not None and self._log is not None:
            use_log(self._log)
        return engine

    def _facts(self, bench: Bench, grades: list[bool | None]) -> dict[str, Any]:
        settings, told = self.settings, dict(self._told)
        structured = told.pop("structured", self._forms[0])
        facts: dict[str, Any] = {
            "engine": told,
            "model": settings.model,
            "prompt_version": VERSION,
            "prompt_sha256": prompt_sha256(settings.rubric),
            "rubric": "own" if settings.rubric else "default",
            "temperature": settings.temperature,
            "votes": settings.votes,
            "order_swap": settings.order_swap,
            "structured": structured,
            "requests": bench.requests,
            "tokens_in": bench.tokens_in,
            "tokens_out": bench.tokens_out,
            "malformed": bench.malformed,
            **({"refused": bench.refused} if bench.refused else {}),
            "missing": sum(grade is None for grade in grades),
            "cost": bench.budget.to_dict(),
            "stopped_by_cost": bench.budget.stopped,
        }
        if settings.order_swap:
            facts["swap"] = swap_consistency(bench.found, settings.votes)
        return facts

    def _no_score(self, result: WorkResult, failed: str) -> str:
        if has_random_weights(result):
            return RANDOM
        if failed:
            return f"the judge failed: {failed}"
        return "the judge's weights are random" if self._told.get("random_weights") else ""


def _put_on(engine: Engine, clock: Clock, kind: str) -> None:
    use_clock = getattr(engine, "use_clock", None)
    if use_clock is None:
        raise UsageError(
            "protocol.clock: virtual computes the time of work that is not really done, and a "
            f"judge on engine {kind!r} does real work; use engine: {{kind: echo}} in tasks.score, "
            "or clock: real"
        )
    use_clock(clock)


def _forms(settings: JudgeFile) -> list[bool]:
    """Give whether a schema is asked for, first and then where that is refused."""
    can = str(settings.engine.get("kind", "")).casefold() in _STRUCTURING
    if settings.structured is True and not can:
        raise UsageError(
            "tasks.score: structured: true needs a server that knows JSON schemas; use engine: "
            "{kind: openai}, or structured: auto"
        )
    if settings.structured == "auto":
        return [True, False] if can else [False]
    return [bool(settings.structured)]


def _findings(facts: Mapping[str, Any], answers: int) -> Iterator[Finding]:
    if "failed" in facts:
        yield Finding(
            rule="judge-failed",
            severity="warning",
            where="tasks.score",
            message=f"the judge failed after {facts['requests']} requests: {facts['failed']}",
            remedy="its energies and answers are kept; mend what the judge needs and run the study "
            "again for its score",
            seen=f"{facts['missing']} of {answers} answers without a grade",
            possible="0",
        )
    if facts["stopped_by_cost"]:
        cost = facts["cost"]
        yield Finding(
            rule="judge-cost",
            severity="warning",
            where="tasks.score.cost",
            message=f"judging stopped before the limit of {cost['limit']:g} {cost['currency']}: "
            f"{facts['missing']} of {answers} answers are missing, the last ones first",
            remedy="raise tasks.score.cost.limit, or judge fewer items",
            seen=f"{cost['amount']:.6g} {cost['currency']} spent",
            possible=f"{cost['limit']:g} {cost['currency']}",
        )
    if shortened := facts["engine"].get("prompts_truncated"):
        yield Finding(
            rule="prompt-truncated",
            severity="warning",
            where="judge",
            message=f"{shortened} of the judge's {facts['requests']} prompts were longer than its "
            "context and were put without their middle",
            remedy="use a judge with a longer context; it has not seen all that it judged",
            seen=f"{shortened} prompts shortened",
            possible="0",
        )


def _line(error: Exception) -> str:
    message = " ".join(str(error).split())
    if isinstance(error, UsageError):
        return message
    return f"{type(error).__name__}: {message}" if message else type(error).__name__
