"""Asks a judge for its judgements, again where it said nothing, and writes down all of them."""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from joulebench.tasks.form import Choices
from joulebench.work import Engine, GenerationFailed, Request, Response, Sampling
from joulebench.workloads.judge_budget import Budget
from joulebench.workloads.judge_prompt import judge_prompt
from joulebench.workloads.judge_verdict import read_verdict
from joulebench.workloads.judge_votes import Judged
from joulebench.workloads.score_settings import JudgeFile

_REFUSED = re.compile(r"HTTP (?:400|413|422)\b")
"""How a server refuses a prompt, such as one longer than its context."""

_REFUSED_IN_A_ROW = 3
"""Refusals without an answer between them that are no longer put down to the prompts."""


@dataclass(frozen=True, slots=True)
class Case:
    """One answer that is to be judged.

    Args:
        request: What was asked.
        answer: What was answered.
        choices: What the item allows and what is right; ``None`` where nobody says it.
    """

    request: Request
    answer: str
    choices: Choices | None


@dataclass(frozen=True, slots=True)
class Ask:
    """One judgement that is to be asked for.

    Args:
        place: Of the answer in the run.
        vote: Which vote, from 0.
        swapped: Whether labels and verdicts are listed the other way round.
        attempt: Which attempt, from 1.
        complaint: What was wrong with the reply before.
    """

    place: int
    vote: int
    swapped: bool
    attempt: int = 1
    complaint: str = ""

    @property
    def name(self) -> str:
        """Request id, from which a judgement's own seed is derived."""
        turned = "-swapped" if self.swapped else ""
        return f"judge-{self.place:05d}-vote{self.vote + 1}{turned}-{self.attempt}"

    def told(self) -> dict[str, Any]:
        """Give what a record says of it."""
        return {"vote": self.vote + 1, "swapped": self.swapped, "attempt": self.attempt}


class Bench:
    """The judgements of a run, answer by answer.

    Args:
        cases: Every answer, in order.
        settings: Of the judge.
        seed: Of the run; each judgement draws with one of its own.
    """

    def __init__(self, cases: Sequence[Case], settings: JudgeFile, seed: int) -> None:
        self.settings = settings
        self.found = [Judged() for _ in cases]
        self.budget = Budget(settings.cost, settings.max_tokens)
        self.requests = self.malformed = self.refused = self.tokens_out = 0
        self.tokens_in: int | None = 0
        self._cases = cases
        self._refused: list[tuple[Ask, str, str]] = []
        self._in_a_row = 0
        self._together_at_most = settings.batch_size
        self._sampling = Sampling(
            max_tokens=settings.max_tokens, temperature=settings.temperature, seed=seed
        )
        orders = (False, True) if settings.order_swap else (False,)
        self._waiting = deque(
            Ask(place, vote, swapped)
            for place in range(len(cases))
            for vote in range(settings.votes)
            for swapped in orders
        )

    def ask(self, engine: Engine) -> None:
        """Ask for all judgements, until the limit of the cost.

        A prompt that a server refuses, while it takes others, leaves its answer alone without a
        grade: one that is longer than the judge's context must not cost all others theirs.

        Raises:
            GenerationFailed: The judge could not go on; what it said before is kept.
        """
        while self._waiting:
            size = min(self._together_at_most, len(self._waiting))
            asks = [self._waiting[i] for i in range(size)]
            prompts = [self._prompt(ask) for ask in asks]
            size = self.budget.affordable(prompts)
            if size == 0:
                break
            try:
                self._together(engine, asks[:size], prompts[:size])
            except GenerationFailed as error:
                self._pass_over(error, prompts[0], alone=size == 1)
        self._note_refused()

    def grades(self) -> list[bool | None]:
        """Give the grade of each answer."""
        votes, swap = self.settings.votes, self.settings.order_swap
        return [each.grade(votes, order_swap=swap) for each in self.found]

    def _prompt(self, ask: Ask) -> str:
        case = self._cases[ask.place]
        return judge_prompt(
            case.request,
            case.answer,
            case.choices,
            self.settings.rubric,
            swapped=ask.swapped,
            complaint=ask.complaint,
        )

    def _together(self, engine: Engine, asks: Sequence[Ask], prompts: Sequence[str]) -> None:
        requests = [Request(ask.name, text) for ask, text in zip(asks, prompts, strict=True)]
        failed: GenerationFailed | None = None
        try:
            replies: Sequence[Response] = engine.generate(requests, self._sampling)
        except GenerationFailed as error:
            failed, replies = error, error.responses
        self._in_a_row = 0 if replies else self._in_a_row
        by_name = {reply.request_id: reply for reply in replies}
        again = []
        for ask, text in zip(asks, prompts, strict=True):
            self._waiting.popleft()
            if ask.name in by_name:
                again += self._take(ask, text, by_name[ask.name])
            elif failed is not None:
                again.append(ask)
        self._waiting.extendleft(reversed(again))  # an answer is done with before the next begins
        if failed is not None:
            raise failed

    def _pass_over(self, error: GenerationFailed, prompt: str, *, alone: bool) -> None:
        """Go on without a prompt that was refused; find out which of several by asking for each."""
        if not _REFUSED.search(str(error)):
            raise error
        if not alone:
            self._together_at_most = 1
            return
        self._in_a_row += 1
        self._refused.append((self._waiting.popleft(), prompt, str(error)))
        if self._in_a_row >= _REFUSED_IN_A_ROW or not (self._waiting or self.requests):
            self._waiting.extendleft(ask for ask, _, _ in reversed(self._refused))
            self._refused, self._in_a_row = [], 0
            self._together_at_most = self.settings.batch_size
            raise error

    def _note_refused(self) -> None:
        self.refused = len(self._refused)
        for ask, prompt, why in self._refused:
            said = {"prompt": prompt, "text": None, "verdict": None, "why": why}
            self.found[ask.place].judgements.append(said | ask.told())

    def _take(self, ask: Ask, prompt: str, reply: Response) -> list[Ask]:
        """Write a judgement down; give what is to be asked again where it cannot be read."""
        self._count(prompt, reply)
        said = read_verdict(
            reply.text, self._cases[ask.place].answer, cut=reply.finish_reason == "length"
        )
        found = self.found[ask.place]
        found.verdicts[ask.vote, ask.swapped] = said.verdict
        found.judgements.append(_row(ask, prompt, reply, said.verdict, said.why or said.complaint))
        if said.verdict is not None:
            return []
        self.malformed += 1
        if ask.attempt > self.settings.retries:
            return []
        return [replace(ask, attempt=ask.attempt + 1, complaint=said.complaint)]

    def _count(self, prompt: str, reply: Response) -> None:
        self.requests += 1
        self.tokens_out += reply.tokens_out
        known = self.tokens_in is not None and reply.knows_tokens_in
        self.tokens_in = (self.tokens_in or 0) + reply.tokens_in if known else None
        self.budget.pay(prompt, reply)


def _row(ask: Ask, prompt: str, reply: Response, verdict: str | None, why: str) -> dict[str, Any]:
    took_s = reply.stop_s - reply.start_s
    return {
        "prompt": prompt,
        "text": reply.text,
        "verdict": verdict,
        "why": why,
        "tokens_in": reply.tokens_in if reply.knows_tokens_in else None,
        "tokens_out": reply.tokens_out,
        **ask.told(),
        **({"took_s": round(took_s, 6)} if math.isfinite(took_s) else {}),
    }
