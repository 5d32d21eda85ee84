"""Trials with a judge: window, energies, cost, failures, and the plan's way to a testbed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from judge_server import judging

from joulebench.emissions import REMOTE
from joulebench.errors import UsageError
from joulebench.meters.registry import resolve
from joulebench.record import Run, dumps
from joulebench.run_row import row
from joulebench.study_plan import plan
from joulebench.study_read import load, parse
from joulebench.testbed.protocol import run_trial
from joulebench.testbed.service_plan import refuse_forbidden
from joulebench.testbed.service_settings import ServiceSettings

Trial = Callable[..., Run]
MESSAGES: list[dict[str, Any]] = []


@pytest.fixture
def trial(tmp_path: Path) -> Trial:
    """Runs a trial in this process, with an echo that always says yes, and a judge."""

    def run(score: dict[str, Any] | None, **engine: Any) -> Run:
        MESSAGES.clear()
        for room in ("traces", "responses", "logs"):
            (tmp_path / room).mkdir(exist_ok=True)
        study = {
            "study": "s",
            "model": "echo",
            "task": "boolq",
            "engine": {"kind": "echo", "answer": "Yes.", "token_s": 0.002, **engine},
            "tasks": {"items": 6, **({"score": score} if score else {})},
            "protocol": {"idle_s": 0.1, "idle_after_s": 0.1, "warmup_prompts": 0},
        }
        board = [{"simulated": {"board": "hopper", "watts": 250}}]
        planned = plan(parse(study, "s"))[0]
        planned |= {"meters": [spec.to_dict() for spec in resolve(board)]}
        facts = {"host": "h", "testbed": "local", "process": "fresh"}
        done = run_trial(planned, tmp_path, MESSAGES.append, facts=facts, root_pid=0)
        dumps(done.to_dict())  # what is recorded is JSON, without a NaN
        return done

    return run


def judge(url: str, **more: Any) -> dict[str, Any]:
    engine = {"kind": "openai", "url": url, "stream": False, **more.pop("engine", {})}
    return {"kind": "judge", "engine": engine, "model": "judge", **more}


def answers(folder: Path, run: Run) -> list[dict[str, Any]]:
    lines = (folder / "responses" / f"{run.run_id}.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def rules_found(run: Run) -> set[str]:
    return {finding.rule for finding in run.findings}


def test_a_judge_has_a_window_and_an_energy_of_its_own(trial: Trial, tmp_path: Path) -> None:
    with judging() as server:
        done = trial(judge(server.url))
    assert (done.status, done.error) == ("done", None)
    names = [window.name for window in done.windows if window.name != "steady"]
    assert names == ["idle", "load", "measure", "idle_after", "judge"]
    assert done.score is not None
    assert (done.score["scorer"], done.score["n_asked"], done.score["accuracy"]) == (
        "judge",
        6,
        0.5,
    )
    cells = row(done)
    window = next(window for window in done.windows if window.name == "judge")
    assert 0 < cells["judge_energy_j"] < 250 * (window.duration_s + 0.2)  # a reading each 0.1 s
    assert cells["energy_per_answer_j"] == pytest.approx(cells["energy_j"] / 6)
    assert cells["energy_per_correct_j"] == pytest.approx(cells["energy_j"] / 3)
    rows = answers(tmp_path, done)
    assert [each["grade"] for each in rows] == [each["rules"] for each in rows]
    assert [len(each["judgements"]) for each in rows] == [1] * 6
    facts = done.facts["judge"]
    assert facts["agreement"]["rules"]["agreed"] == facts["agreement"]["rules"]["n"] == 6
    assert facts["agreement"]["rules"]["kappa"] == 1.0
    assert (facts["requests"], facts["malformed"], facts["missing"]) == (6, 0, 0)
    assert facts["structured"] is True
    assert "response_format" in server.asked[0]
    assert server.asked[0]["temperature"] == 0


def test_the_measured_model_is_gone_before_the_judge_is_loaded(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    from joulebench.engines.echo import EchoEngine
    from joulebench.engines.openai import OpenAIEngine

    monkeypatch.setattr(EchoEngine, "close", lambda _self: told.append("closed"))
    loaded = OpenAIEngine.load

    def load_told(self: OpenAIEngine) -> None:
        told.append("loaded")
        loaded(self)

    monkeypatch.setattr(OpenAIEngine, "load", load_told)
    with judging() as server:
        trial(judge(server.url))
    assert told[:2] == ["closed", "loaded"]


def test_what_a_judge_starts_writes_into_a_log_of_its_own(
    trial: Trial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from joulebench.engines.openai import OpenAIEngine

    logs: set[Path] = set()
    monkeypatch.setattr(OpenAIEngine, "use_log", lambda _self, path: logs.add(path))
    with judging() as server:
        done = trial(judge(server.url))
    assert logs == {tmp_path / "logs" / f"{done.run_id}.judge.txt"}


def test_of_a_remote_judge_no_energy_is_claimed(trial: Trial) -> None:
    with judging() as server:
        done = trial(judge(server.url, engine={"remote": True}))
    assert "judge_energy_j" not in row(done)
    assert all("judge" not in windows for windows in done.energy.values())
    assert done.facts["judge"]["no_energy"] == REMOTE
    assert row(done)["energy_j"] > 0


def test_a_judge_here_keeps_its_energy_where_the_model_was_remote(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    from joulebench.engines.echo import EchoEngine

    facts = EchoEngine.facts
    monkeypatch.setattr(EchoEngine, "facts", lambda self: facts(self) | {"remote": True})
    with judging() as server:
        done = trial(judge(server.url))
    assert {name for windows in done.energy.values() for name in windows} == {"judge"}
    assert row(done)["judge_energy_j"] > 0
    assert "energy_j" not in row(done)


def test_a_judge_that_cannot_be_reached_costs_the_run_its_score_alone(
    trial: Trial, tmp_path: Path
) -> None:
    done = trial(judge("http://127.0.0.1:9"))
    assert (done.status, done.error, done.score) == ("done", None, None)
    assert row(done)["energy_j"] > 0
    assert "judge-failed" in rules_found(done)
    assert "no server answers" in done.facts["no_score"]
    assert "no server answers" in done.facts["judge"]["failed"]
    assert [each["grade"] for each in answers(tmp_path, done)] == [None] * 6
    assert [each["text"] for each in answers(tmp_path, done)] == ["Yes."] * 6


def test_a_rubric_file_travels_as_its_text(tmp_path: Path) -> None:
    (tmp_path / "rubric.txt").write_text("correct: if it rhymes.\n")
    (tmp_path / "study.yaml").write_text(
        "study: s\nmodel: m\ntask: boolq\nengine: {kind: echo}\ntasks:\n  score:\n    kind: judge\n"
        "    engine: {kind: echo}\n    model: j\n    rubric: rubric.txt\n    human: labels.jsonl\n"
    )
    score = plan(load(str(tmp_path / "study.yaml")))[0]["tasks"]["score"]
    assert score["rubric"] == "correct: if it rhymes.\n"
    assert score["human"] == str(tmp_path / "labels.jsonl")
    (tmp_path / "rubric.txt").unlink()
    with pytest.raises(UsageError, match=r"tasks\.score\.rubric: .*cannot be read"):
        load(str(tmp_path / "study.yaml"))


@pytest.mark.parametrize(
    ("score", "says"),
    [
        ({"engine": {"kind": "openai", "url": "http://10.0.0.1"}}, "--allow-command"),
        ({"engine": {"kind": "openai", "serve": {"command": ["sh"]}}}, "--allow-command"),
        ({"engine": {"kind": "openai", "api_key_env": "KEY"}}, "--allow-command"),
        ({"model": "/etc/passwd"}, "tasks.score.model"),
        ({"engine": {"kind": "transformers", "cache": "/root"}}, "tasks.score.engine"),
        ({"human": "/etc/shadow"}, "tasks.score.human"),
    ],
)
def test_a_testbed_refuses_of_a_judge_what_it_refuses_of_a_model(
    score: dict[str, Any], says: str
) -> None:
    planned = {
        "workload": "generate",
        "engine": {"kind": "echo"},
        "meters": "auto",
        "tasks": {"data": "demo", "score": {"kind": "judge", "model": "j", **score}},
    }
    settings = ServiceSettings(Path("state"))
    with pytest.raises(UsageError, match=says):
        refuse_forbidden(planned, settings)
    rubric = {"kind": "judge", "model": "org/judge", "engine": {"kind": "transformers"}}
    planned["tasks"] = {"data": "demo", "score": rubric | {"rubric": "yes/no/maybe, ../ and all"}}
    refuse_forbidden(planned, settings)
