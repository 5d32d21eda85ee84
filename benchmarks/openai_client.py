"""What the openai engine costs a request and a streamed token, beside a raw httpx loop.

Run ``python benchmarks/openai_client.py [--concurrency N] [--rounds N] [--json FILE]``. Both ask
the same server (``openai_client_server.py``, canned answers from sockets, in a process of its own)
in one process and in turns, and who comes first changes. The raw loop is what one writes with
httpx: asynchronous, one task a request under way, lines read with ``aiter_lines``, each parsed, the
time of each token noted, usage kept. What a request costs and what a token costs come from answers
of one token and of many. A server that sends as fast as it can shows who is slower (wall time);
one that sends a token to all every 10 ms, as a real one does, shows what each costs (processor
time). Aim: at most 1.2 times the raw loop.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import psutil

from joulebench.engines.openai import OpenAIEngine
from joulebench.work import Request, Sampling

HERE = Path(__file__).parent

PROMPT = "Is it warm? Explain your choice."

AIM = 1.2

Cost = dict[str, float]
"""``wall_s`` and ``cpu_s`` of a pass, ``server_s`` of the server's processor meanwhile."""

Round = dict[str, dict[str, float]]
"""Figures of each contender in one round."""

Ask = Callable[[int, int], int]
"""Makes so many requests for so many tokens each; gives the tokens that came."""

Contender = Callable[[str], Ask]
"""Makes ready to ask a model, with new connections."""


@contextmanager
def serving() -> Iterator[tuple[str, psutil.Process]]:
    """The server, for as long as the block lasts: its address and its process."""
    command = [sys.executable, str(HERE / "openai_client_server.py")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}", psutil.Process(process.pid)
        process.stdin.close()


# The raw loop


def raw(url: str, concurrency: int) -> Contender:
    """A loop over httpx as one writes it."""

    async def one(client: httpx.AsyncClient, model: str, tokens: int) -> dict[str, Any]:
        body = {
            "model": model,
            "messages": [{"role": "user", "content": PROMPT}],
            "max_tokens": tokens,
            "temperature": 0.0,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        text: list[str] = []
        token_s: list[float] = []
        usage: dict[str, int] = {}
        start_s = time.monotonic()
        async with client.stream("POST", f"{url}/v1/chat/completions", json=body) as answer:
            answer.raise_for_status()
            async for line in answer.aiter_lines():
                if not line.startswith("data: "):
                    continue
                # This gives the connection up, which is cheaper here: with as many kept open,
                # each request looks at all of them.
                if line == "data: [DONE]":
                    break
                piece = json.loads(line[6:])
                if piece.get("usage"):
                    usage = piece["usage"]
                if piece["choices"] and (content := piece["choices"][0]["delta"].get("content")):
                    text.append(content)
                    token_s.append(time.monotonic())
        return {"start_s": start_s, "text": "".join(text), "token_s": token_s, "usage": usage}

    async def all_of(model: str, requests: int, tokens: int) -> int:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        places = asyncio.Semaphore(concurrency)
        async with httpx.AsyncClient(limits=limits, timeout=60.0, trust_env=False) as client:

            async def placed() -> dict[str, Any]:
                async with places:
                    return await one(client, model, tokens)

            answers = await asyncio.gather(*(placed() for _ in range(requests)))
        return sum(len(answer["token_s"]) for answer in answers)

    return lambda model: lambda requests, tokens: asyncio.run(all_of(model, requests, tokens))


# The engine


@contextmanager
def engines(url: str, concurrency: int) -> Iterator[Contender]:
    """The openai engine, with a batch as a study gives it."""
    made: dict[str, OpenAIEngine] = {}

    def ready(model: str) -> Ask:
        engine = made.setdefault(model, OpenAIEngine(model, url=url, concurrency=concurrency))
        engine.import_libraries()
        engine.load()

        def ask(requests: int, tokens: int) -> int:
            batch = [Request(f"r{place}", PROMPT) for place in range(requests)]
            answers = engine.generate(batch, Sampling(max_tokens=tokens))
            return sum(len(answer.token_s) for answer in answers)

        return ask

    try:
        yield ready
    finally:
        for engine in made.values():
            engine.close()


# Measuring


@dataclass(frozen=True, slots=True)
class Work:
    """So many requests for so many tokens each, to a server that sends them quickly or paced."""

    model: str
    requests: int
    tokens: int


def works(scale: int) -> dict[str, Work]:
    """Give the passes of a round; what a request and a token cost are in their differences."""
    return {
        "one": Work("quick", 64 * scale, 1),
        "many": Work("quick", 32 * scale, 129),
        "paced, few": Work("paced", 64, 5),
        "paced, many": Work("paced", 64, 5 + 20 * scale),
    }


def cost(ready: Contender, server: psutil.Process, work: Work) -> Cost:
    """Give what one pass costs, its getting ready left out."""
    ask = ready(work.model)
    server_s, wall_s, cpu_s = _busy_s(server), time.perf_counter(), time.process_time()
    came = ask(work.requests, work.tokens)
    found = {"wall_s": time.perf_counter() - wall_s, "cpu_s": time.process_time() - cpu_s}
    if came != work.requests * work.tokens:
        raise RuntimeError(f"{came} tokens came, and not {work.requests * work.tokens}")
    return found | {"server_s": _busy_s(server) - server_s}


def _busy_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def round_of(contenders: dict[str, Contender], server: psutil.Process, scale: int) -> Round:
    """Do each kind of work with all contenders in turn; gives what each figure is for each."""
    passes: dict[str, dict[str, Cost]] = {name: {} for name in contenders}
    for kind, work in works(scale).items():
        for name, ready in contenders.items():
            passes[name][kind] = cost(ready, server, work)
    return {name: _figures(found, works(scale)) for name, found in passes.items()}


def _figures(found: dict[str, Cost], asked: dict[str, Work]) -> dict[str, float]:
    """Split what passes cost, s, into requests and tokens, us; the first token is the request's."""

    def us(kind: str, which: str) -> float:
        return 1e6 * found[kind][which] / asked[kind].requests

    def token_us(many: str, few: str, which: str) -> float:
        more = asked[many].tokens - asked[few].tokens
        return (us(many, which) - us(few, which)) / more

    return {
        "request, wall": us("one", "wall_s"),
        "request, processor": us("one", "cpu_s"),
        "token, wall": token_us("many", "one", "wall_s"),
        "token, processor": token_us("many", "one", "cpu_s"),
        "token every 10 ms, processor": token_us("paced, many", "paced, few", "cpu_s"),
        SERVER: found["many"]["server_s"] / found["many"]["wall_s"],
    }


SERVER = "server's share of a core"


def measured(concurrency: int, rounds: int, scale: int) -> list[Round]:
    """Do the rounds; who comes first changes."""
    with serving() as (url, server), engines(url, concurrency) as ours:
        order = {"ours": ours, "raw": raw(url, concurrency)}
        found = []
        for place in range(rounds + 1):
            found.append(round_of(order, server, 1 if place == 0 else scale))
            order = dict(reversed(order.items()))
    return found[1:]  # the first one warms up


# Showing


def table(found: list[Round]) -> str:
    """Give the figures as Markdown: medians, and the ratios of each round."""
    lines = ["| cost of a | joulebench, us | raw httpx, us | ratio | middle half | aim |",
             "|" + " --- |" * 6]  # fmt: skip
    for name in found[0]["ours"]:
        if name == SERVER:
            continue
        ratios = [each["ours"][name] / each["raw"][name] for each in found]
        middle = statistics.median(ratios)
        low, high = _middle_half(ratios)
        ours, theirs = (
            statistics.median(each[who][name] for each in found) for who in ("ours", "raw")
        )
        lines.append(
            f"| {name} | {ours:.0f} | {theirs:.0f} | {middle:.2f} | {low:.2f} to {high:.2f} | "
            f"{AIM:g}: {'met' if middle <= AIM else 'missed'} |"
        )
    shares = {who: max(each[who][SERVER] for each in found) for who in ("ours", "raw")}
    lines += ["", f"The server took at most {shares['ours']:.0%} of a core beside Joulebench and "
              f"{shares['raw']:.0%} beside the raw loop."]  # fmt: skip
    return "\n".join(lines)


def _middle_half(values: list[float]) -> tuple[float, float]:
    if len(values) < 2:
        return values[0], values[0]
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, high


def machine() -> str:
    """Say what it was measured with."""
    return (
        f"{os.cpu_count()} processors ({platform.machine()}), Python {platform.python_version()}, "
        f"httpx {version('httpx')}, load average {os.getloadavg()[0]:.1f}"
    )


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--scale", type=int, default=5, help="work of a pass; 1 for a moment")
    parser.add_argument("--json", type=Path, help="write all figures there as well")
    asked = parser.parse_args()
    found = measured(asked.concurrency, asked.rounds, asked.scale)
    print(f"Concurrency {asked.concurrency}, {asked.rounds} rounds, {machine()}.\n")
    print(table(found))
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
