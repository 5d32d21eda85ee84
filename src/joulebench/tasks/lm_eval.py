"""Tasks of the package lm_eval: its prompts, its filters, its metrics; our engines and loads."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from joulebench.errors import UsageError, unknown
from joulebench.tasks.draw import drawn
from joulebench.tasks.lm_eval_load import PREFIX, build_requests, load_task, version
from joulebench.tasks.weighing import WeighingEngine, logprobs_of
from joulebench.work import Engine, Request

OPTIONS = ("include_path", "num_fewshot")

GENERATE = "generate_until"


class LmEvalTask:
    """One task of lm_eval, put to an engine as lm_eval would.

    An answer that was generated is cut at the task's stop strings before it is graded, since
    engines stop at their own end alone. Tasks of multiple choice have the engine weigh the answers.

    Args:
        name: ``lm-eval:NAME``, NAME as lm_eval has it, or as a YAML file in ``include_path`` does.
        lm_eval: ``{"include_path": DIR, "num_fewshot": 0}``; both may be left out.
        items: How many documents, from the first on; all of them if not given.
        seed: If given, documents are drawn in this seed's order instead.

    Raises:
        UsageError: No such task or option, or data that cannot be used.
        Unavailable: lm_eval is not installed.
    """

    def __init__(
        self,
        name: str,
        *,
        lm_eval: Mapping[str, Any] | None = None,
        items: int | None = None,
        seed: int | None = None,
    ) -> None:
        self.name = name
        self._own = name[len(PREFIX) :]
        options = _checked(lm_eval)
        self._task = load_task(self._own, options.get("include_path"), options.get("num_fewshot"))
        every = range(len(self._task.eval_docs))
        documents = drawn(every, items, seed, f"task {name!r}")
        build_requests(self._own, self._task, documents)
        self._instances: dict[int, list[Any]] = defaultdict(list)
        for instance in self._task.instances:
            self._instances[instance.doc_id].append(instance)
        for parts in self._instances.values():
            parts.sort(key=lambda instance: instance.idx)
        self._requests = [
            Request(f"{self._own}-{number:04d}", self._prompt(place), {"place": place})
            for place, number in enumerate(documents)
        ]
        if not self.generates:
            for request in self._requests:
                self._offers(request)

    @property
    def generates(self) -> bool:
        """Whether answers are generated, not weighed."""
        return bool(self._task.OUTPUT_TYPE == GENERATE)

    def requests(self) -> list[Request]:
        """Give one request for each document; its item tells the document's place among them."""
        return list(self._requests)

    def engine_for(self, engine: Engine) -> Engine:
        """Give what the requests are put to: the engine, or one that has it weigh answers.

        Raises:
            UsageError: An engine that tells no log-likelihoods.
        """
        asker = f"task {self.name!r}"
        return engine if self.generates else WeighingEngine(engine, self._offers, asker)

    def grade(self, request: Request, text: str) -> bool | None:
        """Say whether an answer is right by the first metric that is 0 or 1 for it."""
        for values in self._values(self._answered(request, text)).values():
            for value in values:
                if isinstance(value, int | float) and value in (0, 1):
                    return bool(value)
        return None

    def metrics(self, answers: Sequence[tuple[Request, str, bool | None]]) -> dict[str, float]:
        """Give the task's aggregated metrics: ``acc``, or ``acc,FILTER`` for a named filter.

        Args:
            answers: Requests of this task, what was answered, and the grade.
        """
        parts = [self._answered(request, text) for request, text, _ in answers]
        values = self._values(*parts)
        aggregations = self._task.aggregation()
        found = {
            _key(metric, filter_): _figure(aggregations[metric](each))
            for (metric, filter_), each in values.items()
            if metric in aggregations
        }
        cut = sum(_cut(text, self._until()) != text for _, text, _ in answers)
        return {name: value for name, value in found.items() if value is not None} | (
            {"answers_cut": float(cut)} if self.generates else {}
        )

    def facts(self) -> dict[str, Any]:
        """Give what a reader must know of the task besides its name."""
        facts: dict[str, Any] = {
            "version": version(),
            "task_version": (self._task.get_config("metadata") or {}).get("version"),
            "output_type": self._task.OUTPUT_TYPE,
            "num_fewshot": self._task.get_config("num_fewshot"),
        }
        if self.generates:
            given = self._task.get_config("generation_kwargs") or {}
            facts |= {"until": self._until(), "cut_at_until": "after generation"}
            if "max_gen_toks" in given:
                facts["max_gen_toks"] = given["max_gen_toks"]
        return {"lm_eval": facts}

    def _prompt(self, place: int) -> str:
        return str(self._instances[place][0].args[0])

    def _until(self) -> list[str]:
        until = (self._task.get_config("generation_kwargs") or {}).get("until") or []
        return [until] if isinstance(until, str) else list(until)

    def _offers(self, request: Request) -> list[tuple[str, list[str]]]:
        """Give each prompt of a document with its answers, in lm_eval's order."""
        offers: list[tuple[str, list[str]]] = []
        for instance in self._instances[request.item["place"]]:
            prompt, answer = self._split(request, *instance.args[:2])
            if not offers or offers[-1][0] != prompt:
                offers.append((prompt, []))
            offers[-1][1].append(answer)
        return offers

    def _split(self, request: Request, context: str, continuation: str) -> tuple[str, str]:
        """Part context and continuation at the one blank that engines put between them."""
        if context.strip() and continuation.startswith(" ") and continuation.strip():
            return context, continuation[1:]
        if context.strip() and context.endswith(" ") and continuation.strip():
            return context[:-1], continuation
        raise UsageError(
            f"task {self.name!r}: {request.request_id} has no blank between question and answer "
            f"({context[-8:]!r} and {continuation[:8]!r}), as engines put it; set target_delimiter"
        )

    def _answered(self, request: Request, text: str) -> list[Any]:
        """Give copies of a document's instances that hold what was answered."""
        instances = [copy.copy(each) for each in self._instances[request.item["place"]]]
        said = [_cut(text, self._until())] if self.generates else _told(text)
        for instance, response in zip(instances, said, strict=True):
            instance.resps = [response]
            instance.filtered_resps = {}
        return instances

    def _values(self, *answered: list[Any]) -> dict[tuple[str, str], list[Any]]:
        """Filter answers and give each metric's value for each, by metric and filter."""
        self._task._instances = [instance for parts in answered for instance in parts]
        self._task.apply_filters()
        values: dict[tuple[str, str], list[Any]] = {}
        for filter_ in answered[0][0].filtered_resps if answered else ():
            for parts in answered:
                said = [instance.filtered_resps[filter_] for instance in parts]
                for metric, value in self._task.process_results(parts[0].doc, said).items():
                    values.setdefault((metric, filter_), []).append(value)
        return values


def _told(text: str) -> list[tuple[float, bool]]:
    """Give lm_eval's own pairs; no metric is let through that needs the second."""
    return [(logprob, False) for logprob in logprobs_of(text)]


def _cut(text: str, until: Sequence[str]) -> str:
    """Cut a text before the first of the strings that are to stop it."""
    for stop in until:
        if stop:
            text = text.split(stop, maxsplit=1)[0]
    return text


def _key(metric: str, filter_: str) -> str:
    return metric if filter_ == "none" else f"{metric},{filter_}"


def _figure(value: Any) -> float | None:
    """Give a metric's value as a number; ``None`` where it is none."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _checked(options: Mapping[str, Any] | None) -> Mapping[str, Any]:
    options = options or {}
    for option in options:
        if option not in OPTIONS:
            raise unknown("tasks.lm_eval: option", option, OPTIONS)
    shots = options.get("num_fewshot")
    if shots is not None and (isinstance(shots, bool) or not isinstance(shots, int) or shots < 0):
        raise UsageError(f"tasks.lm_eval: num_fewshot = {shots!r} must be a whole number from 0")
    return options
