"""The form of a study file: its keys, what each may hold, and one line for each mistake."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from joulebench.exclusion import Level
from joulebench.strict_yaml import Strict
from joulebench.work import Load
from joulebench.workloads.load_rules import MOST_REQUESTS, contradiction
from joulebench.workloads.score_settings import Score

SCHEMA_URL = "https://json-schema.org/draft/2020-12/schema"

DEMO_ITEMS = 12
"""Items of each task that come with the package."""

LONGEST_WAIT_S = 86_400.0
"""The longest idle or cool-down time, s: a day."""


class Order(Strict):
    """In which order the trials are run."""

    kind: Literal["blocks", "latin", "shuffle", "sequential"] = "blocks"
    """blocks: random within each repetition; latin: and each cell equally often at each place;
    shuffle: random over all; sequential: as listed."""
    seed: int = Field(default=0, ge=0)
    """Seed of the order; from the study's name where it is not given."""
    group_by: list[str] = []  # noqa: RUF012  (pydantic copies it)
    """Factors whose levels stay together within a block, which confounds them with time."""
    drift_every: int = Field(default=0, ge=0)
    """A control trial of one cell after every so many trials, to see drift; 0 for none."""
    drift_cell: dict[str, Level] = {}  # noqa: RUF012  (pydantic copies it)
    """Levels of the control trials; the first cell if empty."""


class ByFactors(Strict):
    """A value for each combination of levels."""

    by: list[str] = Field(min_length=1)
    """Names of factors."""
    of: dict[str, str] = Field(min_length=1)
    """Levels joined by '/', and the model that they mean."""


class ByShape(Strict):
    """A published architecture with random weights."""

    shape: str
    """Its name: llama-2-7b, llama-3.2-1b, tiny_a."""


def _form(value: object) -> str:
    if isinstance(value, ByShape) or (isinstance(value, Mapping) and "shape" in value):
        return "by shape"
    return "by factors" if isinstance(value, Mapping | ByFactors) else "name"


Model = Annotated[
    Annotated[str, Tag("name")]
    | Annotated[ByFactors, Tag("by factors")]
    | Annotated[ByShape, Tag("by shape")],
    Discriminator(_form),
]


class Engine(BaseModel):
    """What generates; options beyond the kind are those of the engine."""

    model_config = ConfigDict(
        extra="allow",
        strict=True,
        frozen=True,
        use_attribute_docstrings=True,
        allow_inf_nan=False,
    )

    kind: str = "transformers"
    """Name of an installed engine: transformers, openai, vllm, encoder, echo, random."""


class LmEvalFile(Strict):
    """Where tasks of lm_eval come from."""

    include_path: str | None = None
    """Folder of your own tasks in lm_eval's YAML; they come before those of the package."""
    num_fewshot: int | None = Field(default=None, ge=0)
    """Examples before each question; the task's own number if null."""


class Tasks(Strict):
    """Where the items come from and how they are put."""

    data: str = "demo"
    """demo (items in the package), hub (Hugging Face hub), or a folder of TASK.jsonl files."""
    items: int | None = Field(default=80, ge=1)
    """Items of each task; where not given the 12 there are of data: demo, and all of prompts and of
    lm_eval."""
    seed: int | None = Field(default=None, ge=0)
    """Draws the items at random, the same on every machine; the first ones without it."""
    prompts: str | None = None
    """JSONL file of your own prompts, for the task prompts."""
    lm_eval: LmEvalFile | None = None
    """For the tasks lm-eval:NAME of the package lm_eval."""

    @model_validator(mode="after")
    def _agrees(self) -> Tasks:
        if self.items is None and self.prompts is None and self.lm_eval is None:
            raise ValueError("items must be a whole number from 1")
        return self

    prompt: str = "short"
    """short: the label alone; explain: the label and why."""
    score: Score | None = None
    """How answers are scored; by rules where not given."""


class LoadFile(Strict):
    """How requests arrive."""

    kind: Literal["sequential", "batch", "closed", "open"] = "sequential"
    """sequential: one after another; batch: batch_size together; closed: concurrency users, each of
    whom asks again as soon as answered; open: as they arrive, whatever is under way."""
    batch_size: int = Field(default=1, ge=1)
    """Requests generated together; of a closed or open load, at most so many of those that wait."""
    concurrency: int = Field(default=1, ge=1)
    """For kind closed: users, and so requests under way at a time."""
    rate_per_s: float | None = Field(default=None, gt=0.0)
    """For kind open: mean arrivals a second."""
    arrivals: Literal["poisson", "constant", "trace"] = "poisson"
    """For kind open: poisson: at random; constant: evenly spaced; trace: from a file."""
    trace: str = ""
    """For arrivals trace: file of arrival times, s, one a line or in a CSV's column arrival_s."""
    requests: int | None = Field(default=None, ge=1, le=MOST_REQUESTS)
    """How many requests, prompts taken again from the first one on; each prompt once if null."""
    ttft_slo_s: float | None = Field(default=None, gt=0.0)
    """Longest time to the first token of a good answer, s."""
    itl_slo_s: float | None = Field(default=None, gt=0.0)
    """Longest mean time between its tokens, s."""
    latency_slo_s: float | None = Field(default=None, gt=0.0)
    """Longest time to its last token, s."""

    @model_validator(mode="after")
    def _agrees(self) -> LoadFile:
        wrong = contradiction(Load(**self.model_dump()))
        if wrong is not None:
            raise ValueError(wrong)
        return self


class SamplingFile(Strict):
    """How tokens are drawn."""

    max_tokens: int = Field(default=64, ge=1)
    """Most output tokens of a response."""
    min_tokens: int = Field(default=0, ge=0)
    """Fewest; equal to max_tokens where the length must be fixed."""
    temperature: float = Field(default=0.0, ge=0.0)
    """0 is greedy."""
    top_p: float = Field(default=1.0, gt=0.0, le=1.0)
    """Nucleus."""
    seed: int = Field(default=0, ge=0)
    """Each repetition's seed is derived from it; from order.seed where it is not given."""

    @model_validator(mode="after")
    def _agrees(self) -> SamplingFile:
        if self.min_tokens > self.max_tokens:
            raise ValueError(f"min_tokens {self.min_tokens} is above max_tokens {self.max_tokens}")
        return self


class Adaptive(Strict):
    """A wait until the machine is again as it was before the first trial."""

    min_s: float = Field(default=5.0, ge=0.0, le=LONGEST_WAIT_S)
    """Shortest wait, s."""
    max_s: float = Field(default=600.0, gt=0.0, le=LONGEST_WAIT_S)
    """Longest wait, s; a run that begins outside the bands says so."""
    power_band: float = Field(default=0.05, gt=0.0, le=1.0)
    """Idle power may lie so far from that before the first trial, relative."""
    temperature_band_c: float = Field(default=3.0, gt=0.0, le=100.0)
    """Temperatures may lie so far above those before the first trial, degrees Celsius."""

    @model_validator(mode="after")
    def _agrees(self) -> Adaptive:
        if self.min_s > self.max_s:
            raise ValueError(f"min_s {self.min_s:g} is above max_s {self.max_s:g}")
        return self


class Cooldown(Strict):
    """What is waited for between trials."""

    fixed_s: float = Field(default=0.0, ge=0.0, le=LONGEST_WAIT_S)
    """Seconds; with adaptive, waited first."""
    adaptive: Adaptive | None = None
    """Until temperature and idle power are back in their bands."""


class Protocol(Strict):
    """What happens around the measured work of each trial."""

    idle_s: float = Field(default=10.0, gt=0.0, le=LONGEST_WAIT_S)
    """Idle time measured before the model is loaded, s."""
    idle_after_s: float = Field(default=2.0, gt=0.0, le=LONGEST_WAIT_S)
    """Idle time measured after the work, s."""
    warmup_prompts: int = Field(default=2, ge=0)
    """Prompts generated before the measured ones."""
    cooldown: Cooldown = Cooldown()
    """Between trials."""
    interval_s: float = Field(default=0.1, ge=0.001, le=10.0)
    """Between two readings of the sensors, s."""
    timeout_s: float | None = Field(default=None, gt=0.0)
    """Longest time of one trial, s; it is then stopped and recorded as failed."""
    process: Literal["fork server", "fresh"] = "fork server"
    """fork server: from a process that has only imported the libraries; fresh: from nothing."""
    attempts: int = Field(default=2, ge=1, le=20)
    """How often a trial is tried; one that failed goes to the end of the study."""
    clock: Literal["real", "virtual"] = "real"
    """virtual: simulated meters and an echo engine on computed time: days pass in seconds."""


class SlurmFile(Strict):
    """How trials are submitted to Slurm; keys as ``sbatch`` has them."""

    partition: str = ""
    """Where; the cluster's default if empty."""
    gres: str = ""
    """Devices of each trial: ``gpu:1``, ``gpu:a100:2``."""
    time: str = "01:00:00"
    """Longest time of one job: ``MM``, ``HH:MM:SS`` or ``D-HH:MM:SS``."""
    account: str = ""
    """Whose time it is."""
    qos: str = ""
    """Quality of service."""
    constraint: str = ""
    """Features of the nodes: one kind of machine, so that trials are comparable."""
    nodelist: str = ""
    """Nodes by name."""
    cpus_per_task: int = Field(default=0, ge=0)
    """Processors of each trial; the whole node's if 0 and exclusive."""
    exclusive: bool = True
    """Nobody else's work on the node: else its energy is not the trial's."""
    jobs: int = Field(default=1, ge=1, le=1000)
    """How many trials may wait or run at a time."""
    array: bool = False
    """Submit the trials of a block as one job array."""
    setup: list[str] = []  # noqa: RUF012  (pydantic copies it)
    """Shell lines before Python: module load, source."""
    python: str = ""
    """Interpreter on the nodes; this one's path if empty."""


class TestbedFile(Strict):
    """Where trials are run, if not on this machine."""

    __test__ = False  # no test, whatever its name begins with

    url: str = ""
    """Of a machine where ``joulebench testbed serve`` runs: ``http://gpu1:8020``."""
    token_env: str = "JOULEBENCH_TOKEN"  # noqa: S105  (the name of a variable, not a secret)
    """Environment variable that holds its token."""
    ca: str = ""
    """File of the certificate authority of its TLS certificate; the system's if empty."""
    name: str = ""
    """What records call it; its own name if empty."""
    lease_s: float = Field(default=300.0, ge=5.0, le=LONGEST_WAIT_S)
    """A trial that nobody has asked about for so long is stopped, s, and its machine is free."""
    patience_s: float = Field(default=600.0, ge=0.0, le=LONGEST_WAIT_S)
    """How long it may be out of reach before the study goes on without it, s."""
    slurm: SlurmFile | None = None
    """A cluster instead."""

    @model_validator(mode="after")
    def _one_place(self) -> TestbedFile:
        if bool(self.url) == (self.slurm is not None):
            raise ValueError("a testbed has either url: or slurm:")
        if self.url and not re.match(r"https?://[^/\s]+", self.url):
            raise ValueError(f"url {self.url!r} must begin with http:// or https:// and a host")
        return self


class AnalysisFile(Strict):
    """What ``joulebench analyze`` asks of the study, where its options do not say."""

    preset: str = ""
    """Questions that are known by name: llama-generations; those of any study if empty."""
    response: list[str] = []  # noqa: RUF012  (pydantic copies it)
    """What was measured: energy_j, accuracy; found if empty."""
    factors: list[str] = []  # noqa: RUF012  (pydantic copies it)
    """What is compared; all factors if empty."""


class StudyFile(Strict):
    """A study: the question, and everything that its answer depends on."""

    study: str
    """Name; also of its folder."""
    question: str = ""
    """What the study is to answer."""
    factors: dict[str, list[Level]] = {}  # noqa: RUF012  (pydantic copies it)
    """What is varied, with its levels."""
    exclude: list[str] = []  # noqa: RUF012  (pydantic copies it)
    """Conditions on levels; where one holds the cell is not run."""
    repetitions: int = Field(default=1, ge=1)
    """How often each cell is run."""
    order: Order = Order()
    """Order of the trials."""
    workload: Literal["generate", "command"] = "generate"
    """What a trial executes."""
    command: list[str] = []  # noqa: RUF012  (pydantic copies it)
    """For workload command: the words of the command; {factor} stands for its level."""
    model: Model | None = None
    """Name, path, a shape, or a table by factors; not needed where a factor is called model."""
    task: str | None = None
    """Not needed where a factor is called task."""
    engine: Engine = Engine()
    """What generates."""
    tasks: Tasks = Tasks()
    """Where the items come from."""
    load: LoadFile = LoadFile()
    """How requests arrive."""
    sampling: SamplingFile = SamplingFile()
    """How tokens are drawn."""
    protocol: Protocol = Protocol()
    """What happens around the measured work."""
    meters: Literal["auto"] | list[str | dict[str, dict[str, Any] | None]] = "auto"
    """auto: all sensors of this machine; or a list of names, or of {name: {option: value}}."""
    testbeds: list[TestbedFile] = []  # noqa: RUF012  (pydantic copies it)
    """Where trials are run: machines of one kind, or a cluster; this machine if empty."""
    analysis: AnalysisFile = AnalysisFile()
    """What is asked of the results; may be changed when the runs are there."""

    @model_validator(mode="before")
    @classmethod
    def _resolved(cls, raw: object) -> object:
        """Write what was not given and depends on other keys: the resolved file holds it."""
        if not isinstance(raw, dict):
            return raw
        return _with_items(_with_seeds(_with_lm_eval(_with_prompts(raw))))

    @model_validator(mode="after")
    def _named(self) -> StudyFile:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,80}", self.study):
            raise ValueError(
                f"study {self.study!r} is also a folder's name: letters, digits, '.', '_', '-' only"
            )
        if bool(self.command) != (self.workload == "command"):
            raise ValueError("workload: command and command: [...] need each other")
        return self


def _with_seeds(raw: dict[str, Any]) -> dict[str, Any]:
    order, sampling = raw.get("order", {}), raw.get("sampling", {})
    if not (isinstance(order, dict) and isinstance(sampling, dict)):
        return raw
    order = {"seed": seed_of(str(raw.get("study", ""))), **order}
    return {**raw, "order": order, "sampling": {"seed": order["seed"], **sampling}}


def _with_prompts(raw: dict[str, Any]) -> dict[str, Any]:
    """Have a file of prompts be the task, and all of it, unless the study says otherwise."""
    tasks, factors = raw.get("tasks"), raw.get("factors") or {}
    if not isinstance(tasks, dict) or tasks.get("prompts") is None:
        return raw
    raw = {**raw, "tasks": {"items": None, **tasks}}
    named = raw.get("task") is not None or (isinstance(factors, dict) and "task" in factors)
    return raw if named else {**raw, "task": "prompts"}


def _with_lm_eval(raw: dict[str, Any]) -> dict[str, Any]:
    """Take all documents of tasks of lm_eval, unless the study says otherwise."""
    tasks, factors = raw.get("tasks") or {}, raw.get("factors") or {}
    if not (isinstance(tasks, dict) and isinstance(factors, dict)):
        return raw
    levels = factors.get("task")
    named = [raw.get("task"), *(levels if isinstance(levels, list) else ())]
    if any(str(name).casefold().startswith("lm-eval:") for name in named):
        return {**raw, "tasks": {"items": None, "lm_eval": {}, **tasks}}
    return raw


def _with_items(raw: dict[str, Any]) -> dict[str, Any]:
    tasks = raw.get("tasks", {})
    if not isinstance(tasks, dict) or tasks.get("data", "demo") != "demo":
        return raw
    return {**raw, "tasks": {"items": DEMO_ITEMS, **tasks}}


def seed_of(*parts: object) -> int:
    """Derive a 31-bit seed from anything printable, the same on every machine."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def json_schema() -> dict[str, Any]:
    """Give the JSON Schema of a study file, for editors."""
    return {"$schema": SCHEMA_URL, **StudyFile.model_json_schema()}
