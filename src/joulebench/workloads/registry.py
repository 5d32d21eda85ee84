"""Builds a workload from a trial's plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, TypeVar, cast

from joulebench.clock import VIRTUAL, Clock, VirtualClock
from joulebench.engines.registry import build_engine
from joulebench.errors import UsageError, unknown
from joulebench.tasks.registry import build_task
from joulebench.work import Engine, Load, Sampling
from joulebench.workloads.command import CommandWorkload
from joulebench.workloads.generate import GenerateWorkload
from joulebench.workloads.load_arrivals import refuse_short_trace
from joulebench.workloads.load_rules import (
    ARRIVALS,
    KINDS,
    contradiction,
    missing,
    wrong_figure,
)
from joulebench.workloads.score_build import build_scorer
from joulebench.workloads.workload import Workload

Value = TypeVar("Value", Sampling, Load)


def build_workload(plan: Mapping[str, Any], clock: Clock | None = None) -> Workload:
    """Build the workload that a plan names; nothing heavy is imported or loaded yet.

    Args:
        plan: ``workload`` (``generate`` or ``command``) and what it needs: ``model``, ``task``,
            ``tasks``, ``engine``, ``load``, ``sampling``, ``protocol``; or ``command``, a list.
            Other keys are left to others.
        clock: What the work takes place on where the protocol's clock is virtual.

    Raises:
        UsageError: Something in the plan is missing, unknown or contradicts itself.
    """
    kind = plan.get("workload", "generate")
    if kind not in WORKLOADS:
        raise unknown("workload", kind, WORKLOADS)
    workload = WORKLOADS[kind](plan)
    if (plan.get("protocol") or {}).get("clock") == VIRTUAL:
        _put_on_clock(workload, plan, clock or VirtualClock())
    return workload


def _put_on_clock(workload: Workload, plan: Mapping[str, Any], clock: Clock) -> None:
    """Have the work take place on computed time; only an engine that merely waits can."""
    use_clock = getattr(getattr(workload, "engine", None), "use_clock", None)
    if use_clock is None:
        kind = plan.get("workload", "generate")
        what = f"engine {(plan.get('engine') or {}).get('kind')!r}"
        raise UsageError(
            "protocol.clock: virtual computes the time of work that is not really done, and "
            f"{what if kind == 'generate' else f'workload {kind!r}'} does real work; use engine: "
            "{kind: echo}, or clock: real"
        )
    use_clock(clock)
    use_clock = getattr(getattr(workload, "scorer", None), "use_clock", None)
    if use_clock is not None:
        use_clock(clock)
    if isinstance(workload, GenerateWorkload):
        workload.clock = clock


def _generate(plan: Mapping[str, Any]) -> Workload:
    tasks = plan.get("tasks") or {}
    name = plan.get("task") or ("prompts" if "prompts" in tasks else None)
    if name is None:
        raise UsageError("plan: say which task to generate for with 'task:', for example boolq")
    load = _value(Load, "load", plan.get("load"))
    _refuse_bad_load(load)
    engine = build_engine(plan.get("engine") or {}, plan.get("model") or "")
    task = build_task(str(name), tasks, encoded=getattr(engine, "encoded", False))
    if load.trace:
        refuse_short_trace(load, load.requests or len(task.requests()))
    scorer = build_scorer(plan, task, build_engine)
    return GenerateWorkload(
        engine=_engine_for(_engine_for(engine, task), scorer),
        task=task,
        load=load,
        sampling=_value(Sampling, "sampling", plan.get("sampling")),
        warmup_prompts=_warmup_prompts(plan.get("protocol") or {}),
        scorer=scorer,
    )


def _engine_for(engine: Engine, asker: object) -> Engine:
    """Give what requests are put to, where a task or a scorer has something to say of it."""
    engine_for = getattr(asker, "engine_for", None)
    return engine if engine_for is None else cast(Engine, engine_for(engine))


def _refuse_bad_load(load: Load) -> None:
    if load.kind not in KINDS:
        raise unknown("load kind", load.kind, KINDS)
    if load.arrivals not in ARRIVALS:
        raise unknown("load: arrivals", load.arrivals, ARRIVALS)
    wrong = wrong_figure(load) or contradiction(load) or missing(load)
    if wrong is not None:
        raise UsageError(f"load: {wrong}")


def _command(plan: Mapping[str, Any]) -> Workload:
    command = plan.get("command")
    if not isinstance(command, list) or not command:
        raise UsageError("workload 'command': give 'command:' as a list, for example [sleep, '1']")
    return CommandWorkload([str(word) for word in command])


WORKLOADS: dict[str, Callable[[Mapping[str, Any]], Workload]] = {
    "command": _command,
    "generate": _generate,
}


def _value(kind: type[Value], where: str, given: Mapping[str, Any] | None) -> Value:
    """Make a value from its part of the plan, naming the nearest field for a misspelt one."""
    allowed = {field.name: field for field in fields(kind)}
    for name, figure in (given or {}).items():
        if name not in allowed:
            raise unknown(f"{where}: option", name, allowed)
        if not _fits(figure, str(allowed[name].type)):
            raise UsageError(f"{where}: {name} = {figure!r} must be of type {allowed[name].type}")
    return kind(**(given or {}))


def _fits(figure: object, wanted: str) -> bool:
    if isinstance(figure, bool):
        return False
    wanted, _, absent = wanted.partition(" | ")
    if figure is None:
        return absent == "None"
    kinds: dict[str, type | tuple[type, ...]] = {"int": int, "float": (int, float), "str": str}
    return isinstance(figure, kinds[wanted])


def _warmup_prompts(protocol: Mapping[str, Any]) -> int:
    prompts = protocol.get("warmup_prompts", 2)
    if not _fits(prompts, "int") or prompts < 0:
        raise UsageError(f"protocol: warmup_prompts = {prompts!r} must be a whole number from 0")
    return int(prompts)
