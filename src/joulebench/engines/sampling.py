"""What every engine asks of a sampling, and the seed of one call."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

from joulebench.errors import UsageError
from joulebench.work import Request, Sampling


def check_sampling(sampling: Sampling) -> None:
    """Refuse a sampling that contradicts itself.

    Raises:
        UsageError: Says which figure is wrong and what it may be.
    """
    if sampling.max_tokens < 1:
        raise UsageError(f"sampling: max_tokens = {sampling.max_tokens} must be at least 1")
    if not 0 <= sampling.min_tokens <= sampling.max_tokens:
        raise UsageError(
            f"sampling: min_tokens = {sampling.min_tokens} must lie from 0 to max_tokens = "
            f"{sampling.max_tokens}"
        )
    if not (math.isfinite(sampling.temperature) and sampling.temperature >= 0):
        raise UsageError(f"sampling: temperature = {sampling.temperature} must be 0 or more")
    if not 0 < sampling.top_p <= 1:
        raise UsageError(f"sampling: top_p = {sampling.top_p} must be above 0 and at most 1")


def call_seed(sampling: Sampling, requests: Sequence[Request]) -> int:
    """Derive the seed of one call from the sampling's seed and the requests in it.

    Two prompts of one run then draw different random numbers, and a prompt draws the same ones
    whatever ran before it (warm-up, a resumed study).

    Returns:
        A seed from 0 to 2^63 - 1.
    """
    text = "\0".join([str(sampling.seed), *(request.request_id for request in requests)])
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
