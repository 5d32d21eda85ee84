"""How answers are scored: the keys of ``tasks.score``, and one line for each mistake."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    Discriminator,
    Field,
    Tag,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from joulebench.errors import UsageError
from joulebench.strict_yaml import Strict

BY_JUDGE, BY_RULE = "by judge", "by rule"
"""What the parser calls the two forms; no keys of a file."""

RUBRIC_FILES = (".txt", ".md")


class CostFile(Strict):
    """What a judge costs, and how much of it may be spent on one run."""

    input_per_million: float = Field(default=0.0, ge=0.0)
    """Price of a million prompt tokens."""
    output_per_million: float = Field(default=0.0, ge=0.0)
    """Price of a million output tokens."""
    currency: str = "USD"
    """Of the prices and the limit."""
    limit: float | None = Field(default=None, gt=0.0)
    """Most that judging one run may cost; no limit where not given."""


class JudgeFile(Strict):
    """A judge: a model that is told the right answer and says whether one given is correct."""

    kind: Literal["judge"]
    """A judge."""
    engine: dict[str, Any] = Field(min_length=1)
    """What the judge runs on: kind and options, as of an engine."""
    model: str = Field(min_length=1)
    """The judge's model."""
    rubric: str = ""
    """What counts as correct: text, or a file NAME.txt; the package's own if empty."""
    votes: int = Field(default=1, ge=1, le=99)
    """How often each answer is judged; more than once needs a temperature above 0."""
    order_swap: bool = False
    """Judge each answer also with labels and verdicts listed the other way round."""
    temperature: float = Field(default=0.0, ge=0.0)
    """0 is greedy."""
    max_tokens: int = Field(default=256, ge=1)
    """Most tokens of a judgement."""
    retries: int = Field(default=2, ge=0, le=20)
    """How often a judgement that cannot be read is asked for again."""
    structured: Literal["auto"] | bool = "auto"
    """Have a server keep judgements to the form: true, false, or auto where it can."""
    batch_size: int = Field(default=1, ge=1)
    """Judgements asked for together."""
    cost: CostFile | None = None
    """Prices of tokens, and a limit."""
    human: str | None = None
    """JSONL file of people's judgements: request_id and label, true or false."""

    @field_validator("rubric")
    @classmethod
    def _is_text(cls, rubric: str) -> str:
        if is_rubric_file(rubric):
            raise ValueError("is a file's name where its text should be; load the study by file")
        return rubric

    @model_validator(mode="after")
    def _agrees(self) -> JudgeFile:
        if self.votes > 1 and self.temperature == 0:
            raise ValueError(
                f"votes {self.votes} at temperature 0 would all be the same vote; set a temperature"
            )
        if (
            self.cost
            and self.cost.limit
            and not (self.cost.input_per_million or self.cost.output_per_million)
        ):
            raise ValueError("cost.limit needs a price, input_per_million or output_per_million")
        return self


class ScoreFile(Strict):
    """How answers are scored."""

    kind: Literal["rules", "choice", "judge"] = "rules"
    """rules: read by rules; choice: the likeliest of the labels; judge: by another model."""


def _form(value: object) -> str:
    judge = isinstance(value, JudgeFile) or (
        isinstance(value, Mapping) and value.get("kind") == "judge"
    )
    return BY_JUDGE if judge else BY_RULE


Score = Annotated[
    Annotated[JudgeFile, Tag(BY_JUDGE)] | Annotated[ScoreFile, Tag(BY_RULE)], Discriminator(_form)
]

_SCORE: TypeAdapter[JudgeFile | ScoreFile] = TypeAdapter(Score)


def is_rubric_file(rubric: str) -> bool:
    """Say whether a rubric is a file's name instead of a text."""
    return "\n" not in rubric and rubric.endswith(RUBRIC_FILES)


def read_score(raw: object) -> JudgeFile | ScoreFile:
    """Read ``tasks.score`` of a plan; by rules where it is not given.

    Raises:
        UsageError: The first mistake in it.
    """
    try:
        return _SCORE.validate_python({} if raw is None else raw)
    except ValidationError as error:
        detail = error.errors()[0]
        place = [str(part) for part in detail["loc"] if part not in (BY_JUDGE, BY_RULE)]
        message = detail["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
        raise UsageError(f"{'.'.join(['tasks.score', *place])}: {message}") from error
