"""What a model's context took from prompts and outputs, said beside the numbers it touches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from joulebench.finding import Finding


def context_findings(facts: Mapping[str, Any], requests: int) -> list[Finding]:
    """Say how many prompts and outputs of the measured window did not fit the context.

    Args:
        facts: Of the run; ``engine`` counts ``prompts_truncated`` and ``outputs_capped``.
        requests: How many prompts there were.
    """
    engine = facts.get("engine")
    if not isinstance(engine, Mapping):
        return []
    context = engine.get("max_model_len")
    longest = f" of {context} tokens" if context else ""
    found = []
    if shortened := engine.get("prompts_truncated"):
        found.append(
            Finding(
                rule="prompt-truncated",
                severity="warning",
                where="measure",
                message=f"{shortened} of {requests} prompts were longer than the context{longest} "
                "and were put without their middle",
                remedy="Raise engine.max_model_len if the model's own limit allows it, or leave "
                "those items out; energy and accuracy are of the shortened prompts",
                seen=f"{shortened} prompts shortened",
                possible="0",
            )
        )
    if capped := engine.get("outputs_capped"):
        found.append(
            Finding(
                rule="output-capped",
                severity="warning",
                where="measure",
                message=f"{capped} of {requests} outputs were held below sampling.max_tokens by "
                f"the context{longest}",
                remedy="Raise engine.max_model_len, or lower sampling.max_tokens to what the "
                "longest prompt leaves",
                seen=f"{capped} outputs held",
                possible="0",
            )
        )
    return found
