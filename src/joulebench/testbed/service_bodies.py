"""The bodies of requests and answers of a testbed's service."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from joulebench.strict_yaml import Strict
from joulebench.testbed.service_settings import MOST_PLANS
from joulebench.testbed.service_trial import ID, LONGEST_ID, RUN_ID, STUDY_ID

_DEEPEST = 24
_LONGEST_WAIT_S = 86_400.0
_MOST_WHOLE = 1 << 53


def plain(value: Any) -> Any:
    """Refuse what cannot be written as JSON, used as text, or read without running out of stack.

    Raises:
        ValueError: Says what.
    """
    _look(value, 0)
    return value


def _look(value: Any, depth: int) -> None:
    if depth > _DEEPEST:
        raise ValueError(f"more than {_DEEPEST} levels deep")
    if isinstance(value, dict):
        for key, inner in value.items():
            _look(key, depth + 1)
            _look(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            _look(inner, depth + 1)
    elif isinstance(value, str):
        _look_at_text(value)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a number must be finite")
    elif isinstance(value, int) and abs(value) > _MOST_WHOLE:
        raise ValueError("a whole number must lie within 2^53, as JSON has it")


def _look_at_text(text: str) -> None:
    if "\x00" in text:
        raise ValueError("text must not hold the character NUL")
    if not text.isascii() and any("\ud800" <= c <= "\udfff" for c in text):
        raise ValueError("text must not hold half a surrogate pair")


def _short(run_id: str) -> str:
    if len(run_id.encode()) > LONGEST_ID:
        raise ValueError(f"must have at most {LONGEST_ID} bytes")
    return run_id


Plain = BeforeValidator(plain)
StudyId = Annotated[str, Field(pattern=STUDY_ID, examples=["0123456789abcdef0123456789abcdef"])]
RunId = Annotated[
    str, Field(pattern=RUN_ID, examples=["model-a.task-copa.r01"]), AfterValidator(_short)
]
Seconds = Annotated[float, Field(ge=0.0, le=_LONGEST_WAIT_S)]


class AdaptiveBody(Strict):
    """A wait until the machine is as it was before the first trial."""

    min_s: Seconds = 5.0
    """Shortest, s."""
    max_s: Seconds = 600.0
    """Longest, s."""
    power_band: float = Field(default=0.05, gt=0.0, le=1.0)
    """How far idle power may be off, relative."""
    temperature_band_c: float = Field(default=3.0, gt=0.0, le=100.0)
    """How far temperatures may be above, degrees Celsius."""


class CooldownBody(Strict):
    """What is waited for after the trial."""

    fixed_s: Seconds = 0.0
    """Seconds."""
    adaptive: AdaptiveBody | None = None
    """Until the machine is as it was."""


class ProtocolBody(Strict):
    """What happens around the measured work."""

    idle_s: float = Field(default=10.0, gt=0.0, le=_LONGEST_WAIT_S)
    """Idle time before, s."""
    idle_after_s: float = Field(default=2.0, gt=0.0, le=_LONGEST_WAIT_S)
    """Idle time after, s."""
    warmup_prompts: int = Field(default=2, ge=0, le=1_000_000)
    """Prompts before the measured ones."""
    cooldown: CooldownBody = CooldownBody()
    """After the trial."""
    interval_s: float = Field(default=0.1, ge=0.001, le=10.0)
    """Between two readings, s."""
    timeout_s: float | None = Field(default=None, gt=0.0)
    """Longest time of the trial, s."""
    process: Literal["fork server", "fresh"] = "fork server"
    """How the trial's process is made."""
    attempts: int = Field(default=2, ge=1, le=20)
    """How often the orchestrator tries it."""
    clock: Literal["real", "virtual"] = "real"
    """Whether time is computed."""


class TrialBody(BaseModel):
    """The planned row."""

    model_config = ConfigDict(extra="allow", strict=True, use_attribute_docstrings=True)

    order: int = Field(ge=0, le=_MOST_WHOLE)
    """Place in the order of execution."""
    block: int = Field(ge=0, le=_MOST_WHOLE)
    """Block it belongs to."""
    repetition: int = Field(ge=0, le=_MOST_WHOLE)
    """Repetition of its cell."""
    levels: dict[str, bool | int | float | str]
    """Level of each factor."""


class PlanBody(Strict):
    """What a trial is: a plan as ``joulebench plan STUDY --json -`` gives it."""

    run_id: RunId
    """Unique in its study."""
    study: str = Field(min_length=1, max_length=200)
    """Name of the study."""
    trial: TrialBody
    """The planned row."""
    workload: Literal["generate", "command"]
    """What is executed."""
    protocol: ProtocolBody
    """What happens around it."""
    meters: Literal["auto"] | list[str | dict[str, dict[str, Any] | None]] = Field(
        examples=[[{"simulated": {"board": "ada", "watts": 250}}]]
    )
    """Sensors: ``auto``, or a list of names or ``{name: {option: value}}``."""
    engine: dict[str, Any] = Field(default={}, examples=[{"kind": "echo"}])
    """What generates."""
    tasks: dict[str, Any] = Field(default={}, examples=[{"data": "demo", "items": 2}])
    """Where the items come from."""
    load: dict[str, Any] = Field(default={}, examples=[{"kind": "sequential"}])
    """How requests arrive."""
    sampling: dict[str, Any] = Field(default={}, examples=[{"max_tokens": 4}])
    """How tokens are drawn."""
    command: list[str] | None = None
    """The words of a command."""
    model: str | None = Field(default=None, max_length=4096)
    """Name, hub name, or a folder in those that the testbed allows."""
    task: str | None = Field(default=None, max_length=200)
    """Name of the task."""


EXAMPLE_PLAN: dict[str, Any] = {
    "run_id": "model-a.task-copa.r01",
    "study": "example",
    "trial": {"order": 1, "block": 1, "repetition": 1, "levels": {"model": "a", "task": "copa"}},
    "workload": "generate",
    "engine": {"kind": "echo"},
    "tasks": {"data": "demo", "items": 2, "prompt": "short"},
    "load": {"kind": "sequential", "batch_size": 1},
    "sampling": {"max_tokens": 4, "seed": 1},
    "protocol": {"idle_s": 0.2, "idle_after_s": 0.1, "warmup_prompts": 0, "interval_s": 0.05},
    "meters": [{"simulated": {"board": "ada", "watts": 250}}],
    "model": "a",
    "task": "copa",
}

SentPlan = Annotated[PlanBody, Plain]


class RunRequest(Strict):
    """A trial to be run."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "study_id": "0123456789abcdef0123456789abcdef",
                    "attempt": 1,
                    "plan": EXAMPLE_PLAN,
                    "lease_s": 300,
                    "callback_url": None,
                }
            ]
        }
    )

    study_id: StudyId
    """Drawn once for the study's folder."""
    attempt: int = Field(default=1, ge=1, le=1000)
    """The same attempt is never run twice."""
    plan: SentPlan
    """What is to be run."""
    lease_s: float = Field(default=300.0, ge=1.0, le=_LONGEST_WAIT_S)
    """It is stopped when nobody has asked about it for so long, s."""
    callback_url: str | None = Field(default=None, max_length=2000)
    """Is sent the state when the trial has ended; its host must be allowed."""


class CheckRequest(Strict):
    """Plans that are to be checked."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"plans": [EXAMPLE_PLAN]}]})

    plans: list[SentPlan] = Field(max_length=MOST_PLANS)
    """One of each cell."""


class FileState(BaseModel):
    """A file of a trial."""

    name: Literal["traces.parquet", "responses.jsonl", "log.txt"]
    bytes: int
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class RunState(BaseModel):
    """A trial as it stands."""

    id: str = Field(pattern=ID)
    run_id: str
    study_id: str
    attempt: int
    state: Literal["queued", "cooling", "running", "done", "failed", "cancelled"]
    phase: str
    watts: float | None
    method: str
    queued_at: str
    started_at: str
    ended_at: str
    lease_left_s: float | None
    error: str | None
    files: list[FileState]


class RunStateWithRecord(RunState):
    """A trial as it stands, with its record once it has ended."""

    run: dict[str, Any] | None


class RunList(BaseModel):
    """Several trials, in the order in which they came."""

    runs: list[RunState]


class HostState(BaseModel):
    """The machine."""

    host: str
    facts: dict[str, Any]
    testbed: str
    sensors: list[str]


class HostNow(HostState):
    """The machine, and what it does."""

    version: str
    busy: bool


class Health(BaseModel):
    """The service answers."""

    status: Literal["ok"]


class ErrorBody(BaseModel):
    """What was wrong, where, and what to do, in one line."""

    error: str


class BusyBody(ErrorBody):
    """A trial that is not taken; with a hint where it may be taken later."""

    retry_after_s: float | None = None
