"""Tokens per second of the transformers engine beside a plain ``model.generate`` loop.

Run ``python benchmarks/transformers_engine.py [--model shape:mini-15m] [--pairs N] [--json FILE]``.
Both take the same model, prompts and fixed length, in turn, and the one that goes first changes
from pair to pair: what else the machine does falls on both. The plain loop encodes, generates and
decodes; the engine besides stamps each token, fits prompts to the context and makes responses.
Ratios are of pairs, by the clock on the wall and by the processor time of the process, which others
on the machine do not lengthen. Aim: at least 0.98.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from joulebench.engines.transformers import TransformersEngine
from joulebench.work import Request, Sampling

AIM = 0.98
PROMPT = "A heat pump carries heat from a colder place to a warmer one. Is it warm there? "

Seconds = tuple[float, float]
"""By the clock on the wall, and of the processor."""


def plain_loop(engine: TransformersEngine, requests: list[Request], tokens: int) -> list[str]:
    """Encode, generate and decode as one would by hand."""
    import torch

    words, model = engine._words, engine._model
    tokenizer = words.tokenizer
    given = tokenizer(
        [words.asked(request.prompt) for request in requests],
        add_special_tokens=not words.has_template,
        return_tensors="pt",
        padding=True,
    )
    with torch.no_grad():
        output = model.generate(
            inputs=given["input_ids"],
            attention_mask=given["attention_mask"],
            max_new_tokens=tokens,
            min_new_tokens=tokens,
            do_sample=False,
            eos_token_id=sorted(words.end_ids) or None,
            pad_token_id=words.pad_id,
        )
    new = output[:, given["input_ids"].shape[1] :]
    texts: list[str] = tokenizer.batch_decode(new, skip_special_tokens=True)
    return texts


def timed(work: Callable[[], object]) -> Seconds:
    """Give how long some work takes, s."""
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall_s, time.process_time() - cpu_s


def pairs(
    first: Callable[[], object], second: Callable[[], object], count: int
) -> list[tuple[Seconds, Seconds]]:
    """Time two kinds of work in turn, the first pair not counted."""
    found = []
    for place in range(count + 1):
        if place % 2:
            one, other = timed(first), timed(second)
        else:
            other, one = timed(second), timed(first)
        if place:
            found.append((one, other))
    return found


def spread(ratios: list[float]) -> dict[str, float]:
    """Give the median, and the quartiles around it."""
    low, middle, high = statistics.quantiles(ratios, n=4)
    return {"median": round(middle, 4), "low": round(low, 4), "high": round(high, 4)}


def measured(engine: TransformersEngine, batch: int, tokens: int, count: int) -> dict[str, Any]:
    """Measure one batch size."""
    requests = [Request(f"r{i}", PROMPT * (1 + i % 4)) for i in range(batch)]
    sampling = Sampling(max_tokens=tokens, min_tokens=tokens)
    texts = [answer.text for answer in engine.generate(requests, sampling)]
    if texts != plain_loop(engine, requests, tokens):
        raise SystemExit("the engine's texts are not those of the plain loop")
    found = pairs(
        lambda: engine.generate(requests, sampling),
        lambda: plain_loop(engine, requests, tokens),
        count,
    )
    made = batch * tokens
    return {
        "batch": batch,
        "tokens": tokens,
        "pairs": count,
        "engine_tokens_per_s": round(made / statistics.median(one[0] for one, _ in found), 1),
        "plain_tokens_per_s": round(made / statistics.median(other[0] for _, other in found), 1),
        "ratio": spread([other[0] / one[0] for one, other in found]),
        "ratio_of_cpu_time": spread([other[1] / one[1] for one, other in found]),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="shape:mini-15m")
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    engine = TransformersEngine(given.model, threads=given.threads, device=given.device)
    engine.import_libraries()
    engine.load()
    rows = [measured(engine, batch, given.tokens, given.pairs) for batch in (1, 8)]
    for row in rows:
        wall, cpu = row["ratio"], row["ratio_of_cpu_time"]
        print(
            f"batch {row['batch']}: engine {row['engine_tokens_per_s']} tokens/s, plain "
            f"{row['plain_tokens_per_s']}; ratio {wall['median']} ({wall['low']} to "
            f"{wall['high']}), of processor time {cpu['median']} ({cpu['low']} to {cpu['high']}); "
            f"aim {AIM}"
        )
    if given.json:
        given.json.write_text(json.dumps({"model": given.model, "rows": rows}, indent=1) + "\n")
    engine.close()


if __name__ == "__main__":
    main()
