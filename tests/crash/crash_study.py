"""Kills both sides of a study over the network again and again, and looks at what comes of it.

Usage: python tests/crash/crash_study.py [--trials 60] [--kills 200] [--seed 1] [--place DIR]

A study runs over HTTP against a testbed on loopback, with a simulated board and an engine that
says its prompts back. At random moments one side is killed with SIGKILL, connections are cut, a
disk is full (a limit on the size of files), the wall clock jumps (where libfaketime is installed).
At the end every trial has to be recorded as done exactly once, in the planned order and with the
planned seed, and every file has to be what its record says.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from crash_parts import VERB, Part, TestbedPart
from crash_proxy import Proxy

from joulebench.record import RunTable
from joulebench.record_traces import load_traces
from joulebench.study_plan import plan
from joulebench.study_read import load

STUDY = """\
study: crash
question: Is every trial recorded exactly once, whatever dies?
factors:
  task: [boolq, copa, rte]
  max_tokens: [8, 16]
repetitions: {repetitions}
model: echo
engine: {{kind: echo, token_s: 0.002, prefill_s: 0.005}}
tasks: {{items: 3}}
sampling: {{temperature: 0.7}}
protocol: {{idle_s: 0.1, idle_after_s: 0.05, warmup_prompts: 1, attempts: 20, interval_s: 0.02}}
meters: [{{simulated: {{board: a100, watts: 150}}}}]
"""
_CELLS = 6
_LONGEST_S = 3600.0


@dataclass
class Crash:
    """One study and what is done to it.

    Args:
        folder: For everything.
        trials: At least so many.
        kills: So many processes are killed.
        seed: Of the moments.
    """

    folder: Path
    trials: int
    kills: int
    seed: int
    done: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.file = self.folder / "crash.yaml"
        self.out = self.folder / "study"
        self.file.write_text(STUDY.format(repetitions=-(-self.trials // _CELLS)), encoding="utf-8")
        self.plans = plan(load(str(self.file)))
        self.testbed = TestbedPart(self.folder)
        self.proxy = Proxy(self.testbed.port)
        url = f"http://127.0.0.1:{self.proxy.port}"
        words = [*VERB, "run", str(self.file), "--out", str(self.out), "--testbed", url]
        self.orchestrator = Part([*words, "--no-report"], self.folder / "orchestrator.txt")

    def go(self) -> None:
        """Run the study to its end.

        Raises:
            AssertionError: Something was lost, doubled or changed.
        """
        began_s = time.monotonic()
        try:
            self.testbed.start()
            self.testbed.await_answer()
            self.orchestrator.start()
            while self.done["kill"] < self.kills:
                assert time.monotonic() - began_s < _LONGEST_S, "no end within an hour"
                self._strike()
            self._finish()
        finally:
            for part in (self.orchestrator, self.testbed):
                part.kill()
            self.proxy.close()
        self.check()

    def recorded(self) -> int:
        """Count the trials that are done."""
        try:
            lines = (self.out / "runs.jsonl").read_bytes().splitlines(keepends=True)
        except FileNotFoundError:
            return 0
        return sum(b'"status":"done"' in line for line in lines if line.endswith(b"\n"))

    def _strike(self) -> None:
        """Do the next harm, at a random moment; kills keep step with the trials that are done."""
        due = self.kills * (self.recorded() + 1) / len(self.plans)
        time.sleep(self.random.expovariate(1 / 0.4))
        self._revive()
        if self.done["kill"] >= due:
            return
        harm = self.random.choices(
            [self._kill_orchestrator, self._kill_testbed, self._cut, self._fill, self._jump],
            [5, 5, 3, 1, 1],
        )[0]
        harm()

    def _revive(self) -> None:
        """Start the orchestrator again where it ended by itself, as a person would."""
        if self.orchestrator.status is not None:
            self.done[f"orchestrator ended by itself: {self.orchestrator.status}"] += 1
            self.orchestrator.start()

    def _kill_orchestrator(self) -> None:
        self.orchestrator.kill()
        self.done["kill"] += 1
        self.done["orchestrator killed"] += 1
        time.sleep(self.random.random() * 0.5)
        self.orchestrator.start()

    def _kill_testbed(self) -> None:
        self.testbed.kill()
        self.done["kill"] += 1
        self.done["testbed killed"] += 1
        time.sleep(self.random.random() * 0.5)
        self.testbed.start()
        self.testbed.await_answer()

    def _cut(self) -> None:
        self.done["connections cut"] += 1
        self.proxy.cut(self.random.random())

    def _fill(self) -> None:
        """Start one side so that its disk is full after a few more kilobytes, for a while."""
        part = self.random.choice([self.orchestrator, self.testbed])
        records = self.out / "runs.jsonl"
        size = records.stat().st_size if records.exists() else 0
        room = self.random.randrange(500, 30_000)
        part.kill()
        self.done["kill"] += 1
        self.done["disk full"] += 1
        part.start(most_bytes=room + (size if part is self.orchestrator else 0))
        self._restore(part)

    def _restore(self, part: Part) -> None:
        """Start a side again as it should be, after it has suffered for a while."""
        time.sleep(self.random.uniform(0.5, 3.0))
        part.kill()
        part.start()
        if part is self.testbed:
            self.testbed.await_answer()

    def _jump(self) -> None:
        """Start one side with a wall clock that is wrong by up to ten days, for a while.

        What makes it wrong also makes some waits fail, which costs attempts.
        """
        part = self.random.choice([self.orchestrator, self.testbed])
        part.kill()
        self.done["kill"] += 1
        self.done["clock jumps"] += 1
        part.start(clock_ahead_s=self.random.uniform(-864_000, 864_000))
        self._restore(part)

    def _finish(self) -> None:
        """Let the study come to its end."""
        for _ in range(10):
            status = self.orchestrator.wait(_LONGEST_S)
            if status == 0:
                return
            self.done[f"orchestrator ended by itself: {status}"] += 1
            self.orchestrator.start()
        raise AssertionError(f"the study does not end; see {self.orchestrator.log}")

    def check(self) -> None:
        """Hold the study's folder against its plan.

        Raises:
            AssertionError: Says what is wrong.
        """
        lines = (self.out / "runs.jsonl").read_text(encoding="utf-8").splitlines()
        records = [json.loads(line) for line in lines]
        done = Counter(record["run_id"] for record in records if record["status"] == "done")
        assert done == Counter({each["run_id"]: 1 for each in self.plans}), _differ(
            done, self.plans
        )
        self.done["failed attempts"] = len(records) - len(self.plans)
        by_id = {record["run_id"]: record for record in records if record["status"] == "done"}
        for each in self.plans:
            self._check_run(each, by_id[each["run_id"]])
        left = [str(p) for p in self.out.rglob("*") if ".part" in p.name or ".recording" in p.name]
        assert not left, f"left behind: {left}"
        assert len(RunTable.load(self.out).done_ids) == len(self.plans)

    def _check_run(self, planned: dict[str, Any], record: dict[str, Any]) -> None:
        run_id = planned["run_id"]
        assert record["trial"] == planned["trial"], f"{run_id}: {record['trial']}"
        assert record["facts"]["sampling"]["seed"] == planned["sampling"]["seed"], run_id
        assert record["work"]["requests"] == planned["tasks"]["items"], run_id
        traces = load_traces(self.out / "traces" / f"{run_id}.parquet")
        assert {c["name"] for c in record["channels"]} <= set(traces), run_id
        answers = (self.out / "responses" / f"{run_id}.jsonl").read_text("utf-8").splitlines()
        assert len(answers) == planned["tasks"]["items"], run_id
        files = record["facts"]["files"]
        assert set(files) >= {"traces", "responses"}, f"{run_id}: {files}"
        for room, ending in (("traces", "parquet"), ("responses", "jsonl")):
            content = (self.out / room / f"{run_id}.{ending}").read_bytes()
            assert hashlib.sha256(content).hexdigest() == files[room], f"{room} of {run_id}"


def _differ(done: Counter[str], plans: list[dict[str, Any]]) -> str:
    lacking = [each["run_id"] for each in plans if done[each["run_id"]] == 0]
    twice = [run_id for run_id, count in done.items() if count > 1]
    return f"not recorded: {lacking}; recorded twice: {twice}"


def main() -> None:
    """Crash a study, and print what was done to it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--place", type=Path, help="an empty folder; a temporary one if not given")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="joulebench-crash-") as temporary:
        place = asked.place or Path(temporary)
        place.mkdir(parents=True, exist_ok=True)
        crash = Crash(place, asked.trials, asked.kills, asked.seed)
        began_s = time.monotonic()
        crash.go()
    print(f"{len(crash.plans)} trials recorded exactly once in {time.monotonic() - began_s:.0f} s")
    for what, count in sorted(crash.done.items()):
        print(f"{count:5d} {what}")


if __name__ == "__main__":
    main()
