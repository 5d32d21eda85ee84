"""What a trial executes, in the steps that its windows are put around."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from joulebench.channel import Window
from joulebench.finding import Finding
from joulebench.work import Request, Response


@dataclass(slots=True)
class WorkResult:
    """What came out of the measured window.

    Args:
        responses: One for each request, in the order asked.
        windows: Finer windows inside the measured one (prefill, decode), in monotonic s.
        work: Amounts of work: ``requests``, ``tokens_in``, ``tokens_out``; only what is known.
        score: ``accuracy`` (0 to 1) with its interval, ``n_graded``, ``n_correct``, ``n_asked``,
            ``scorer``; ``None`` if there is nothing to score.
        facts: What a reader must know: engine, sampling, task, warm-up.
        requests: What was asked, in the order of ``responses``.
        marks: What is known of each answer besides, in the order of ``responses``: its grade, a
            judge's judgements; written beside the answer. Empty where nothing is.
        findings: What was doubtful about the load or the grading.
    """

    responses: list[Response] = field(default_factory=list)
    windows: list[Window] = field(default_factory=list)
    work: dict[str, Any] = field(default_factory=dict)
    score: dict[str, Any] | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    marks: list[dict[str, Any]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


class Workload(Protocol):
    """The steps of a trial's work, called once each and in this order."""

    def import_libraries(self) -> None:
        """Import what is heavy; no tensor operation and no device, so that a fork may follow."""

    def load(self) -> None:
        """Make ready what the work needs: the ``load`` window."""

    def warm_up(self) -> None:
        """Run until the work's speed is stable: the ``warmup`` window."""

    def run(self) -> WorkResult:
        """Do the work: the ``measure`` window, the device synchronised at both ends."""

    def grade(self, result: WorkResult) -> None:
        """Put grades and score into a result, after the last window: grading costs energy too."""

    def close(self) -> None:
        """Free what was loaded."""
