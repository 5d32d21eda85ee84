"""Trials sent over a network that cuts, lies and forgets: each comes back whole, or loudly not."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from remote_fake import FILES, Fake, served

from joulebench.errors import UsageError
from joulebench.study_plan import plan
from joulebench.study_read import parse
from joulebench.testbed.places import open_testbeds
from joulebench.testbed.remote import RemoteSettings, RemoteTestbed
from joulebench.testbed.remote_events import events
from joulebench.testbed.remote_link import Outage, Stopping
from joulebench.testbed.testbed import TestbedLost

STUDY_ID = "0123456789abcdef" * 2
SECRET = "correct-horse-battery-staple"


def a_plan(**study: Any) -> dict[str, Any]:
    raw = {"study": "s", "model": "m", "task": "copa", "engine": {"kind": "echo"}, **study}
    return plan(parse(raw, "s"))[0]


@pytest.fixture
def fake() -> Iterator[Fake]:
    with served(Fake()) as fake:
        yield fake


@pytest.fixture
def study(tmp_path: Path) -> Path:
    for room in ("traces", "responses", "logs"):
        (tmp_path / room).mkdir()
    return tmp_path


@pytest.fixture
def far(fake: Fake, study: Path) -> Iterator[RemoteTestbed]:
    testbed = RemoteTestbed(study, RemoteSettings(fake.url, patience_s=20.0), STUDY_ID)
    yield testbed
    testbed.close()


def silent(_message: dict[str, Any]) -> None:
    return None


def test_a_trial_goes_there_and_comes_back_with_its_files(
    fake: Fake, far: RemoteTestbed, study: Path
) -> None:
    hosts = far.prepare([a_plan()])
    assert hosts == {"far": {"cpu_model": "c", "sensors": ["gpu0:power"]}}
    assert far.name == "fake"
    run = far.run(a_plan(), 1, silent)
    assert (run.run_id, run.status, run.testbed, run.host) == ("r01", "done", "fake", "far")
    assert (study / "traces/r01.parquet").read_bytes() == FILES["traces.parquet"]
    assert (study / "logs/r01.txt").read_bytes() == FILES["log.txt"]
    [sent] = fake.posts()
    assert (sent["study_id"], sent["attempt"]) == (STUDY_ID, 1)
    assert "attempts" not in sent["plan"]["protocol"]  # it may change without a new trial


@pytest.mark.parametrize("fault", ["cut", 503])
@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/v1/runs"), ("GET", "/v1/runs/"), ("GET", "/events"), ("GET", "/files/traces")],
)
def test_what_is_cut_is_asked_again(
    fake: Fake, far: RemoteTestbed, study: Path, method: str, path: str, fault: str | int
) -> None:
    fake.faults = [(method, path, fault)] * 2
    if path != "/files/traces":
        fake.ends, fake.end_after_s = False, 0.3
    assert far.run(a_plan(), 1, silent).status == "done"
    assert {post["attempt"] for post in fake.posts()} == {1}
    assert (study / "traces/r01.parquet").read_bytes() == FILES["traces.parquet"]


def test_a_file_goes_on_where_it_was_cut(fake: Fake, far: RemoteTestbed, study: Path) -> None:
    fake.cut_files_after = 100_000
    far.run(a_plan(), 1, silent)
    data = FILES["traces.parquet"]
    assert (study / "traces/r01.parquet").read_bytes() == data
    ranges = [headers.get("Range") for headers in fake.headers if "If-Range" in headers]
    assert ranges == ["bytes=100000-", "bytes=200000-"]
    assert not list(study.glob("*/.*"))


def test_a_wrong_hash_is_fetched_again_then_refused(
    fake: Fake, far: RemoteTestbed, study: Path
) -> None:
    fake.bad_files = 1
    far.run(a_plan(), 1, silent)
    found = hashlib.sha256((study / "traces/r01.parquet").read_bytes()).hexdigest()
    assert found == hashlib.sha256(FILES["traces.parquet"]).hexdigest()
    fake.bad_files = 100
    (study / "traces/r01.parquet").unlink()
    with pytest.raises(UsageError, match=r"r01.parquet had another SHA-256 .* 3 times"):
        far.run(a_plan(), 2, silent)
    assert not list(study.glob("traces/*"))


def test_records_call_it_as_the_study_does(fake: Fake, study: Path) -> None:
    testbed = RemoteTestbed(study, RemoteSettings(fake.url, name="gpu1"), STUDY_ID)
    testbed.prepare([a_plan()])
    assert testbed.run(a_plan(), 1, silent).testbed == testbed.name == "gpu1"
    testbed.close()


def test_a_busy_testbed_is_waited_for(fake: Fake, far: RemoteTestbed) -> None:
    fake.faults = [("POST", "/v1/runs", 409)] * 2
    told: list[dict[str, Any]] = []
    assert far.run(a_plan(), 1, told.append).status == "done"
    assert told[:2] == [{"event": "phase", "phase": "waiting"}] * 2


def test_phases_and_watts_are_passed_on(fake: Fake, far: RemoteTestbed) -> None:
    fake.ends = False
    told: list[dict[str, Any]] = []

    def tell(message: dict[str, Any]) -> None:
        told.append(message)
        if message["event"] == "watts":
            fake.end(f"{STUDY_ID}~r01")

    assert far.run(a_plan(), 1, tell).status == "done"
    assert {"event": "phase", "phase": "idle"} in told
    assert {"event": "watts", "watts": 41.5, "method": "measured"} in told


def test_a_testbed_that_forgot_everything_is_asked_anew(fake: Fake, far: RemoteTestbed) -> None:
    fake.ends = False

    def forget(message: dict[str, Any]) -> None:
        if message["event"] == "watts" and len(fake.posts()) == 1:
            fake.end(f"{STUDY_ID}~r01", "failed")
            fake.runs.clear()
            fake.ends = True

    assert far.run(a_plan(), 1, forget).status == "done"
    assert len(fake.posts()) == 2


def test_an_attempt_that_was_cancelled_is_begun_with_the_next_number(
    fake: Fake, far: RemoteTestbed
) -> None:
    fake.ends = False
    far.run(a_plan(), 1, lambda m: fake.end(f"{STUDY_ID}~r01") if m["event"] == "watts" else None)
    fake.runs[f"{STUDY_ID}~r01"] |= {"state": "cancelled", "run": None}
    fake.ends = True
    assert far.run(a_plan(), 1, silent).status == "done"
    assert [post["attempt"] for post in fake.posts()] == [1, 1, 2]


def test_what_was_asked_for_otherwise_is_ended_and_begun_anew(
    fake: Fake, far: RemoteTestbed
) -> None:
    fake.ends = False
    fake.ask({"study_id": STUDY_ID, "attempt": 4, "plan": {**a_plan(), "model": "other"}})
    fake.ends = True
    assert far.run(a_plan(), 1, silent).status == "done"
    assert fake.runs[f"{STUDY_ID}~r01"]["attempt"] == 5


def test_what_it_has_begun_is_adopted(fake: Fake, far: RemoteTestbed) -> None:
    plans = [a_plan() | {"run_id": f"r{number:02d}"} for number in range(1, 5)]
    for number, study_id in ((1, STUDY_ID), (2, STUDY_ID), (3, "f" * 32)):
        fake.ask({"study_id": study_id, "attempt": 1, "plan": plans[number - 1]})
    fake.runs[f"{STUDY_ID}~r02"]["state"] = "failed"
    assert [each["run_id"] for each in far.adopt(plans)] == ["r01"]


def test_a_host_that_is_new_is_told_of(fake: Fake, far: RemoteTestbed) -> None:
    far.prepare([a_plan()])
    fake.host = {**fake.host, "host": "far2", "facts": {"cpu_model": "d"}}
    told: list[dict[str, Any]] = []
    assert far.run(a_plan(), 1, told.append).host == "far2"
    facts = {"cpu_model": "d", "sensors": ["gpu0:power"]}
    assert {"event": "host", "id": "far2", "facts": facts} in told


def test_the_record_of_another_trial_is_refused(fake: Fake, far: RemoteTestbed) -> None:
    far.run(a_plan(), 1, silent)
    fake.runs[f"{STUDY_ID}~r01"]["run"]["trial"] = {"order": 9}
    with pytest.raises(UsageError, match="that of another trial"):
        far.run(a_plan(), 1, silent)


def test_a_log_of_an_earlier_attempt_is_kept(fake: Fake, far: RemoteTestbed, study: Path) -> None:
    (study / "logs/r01.txt").write_text("why the first failed\n")
    far.run(a_plan(), 2, silent)
    assert (study / "logs/r01.before-1.txt").read_text() == "why the first failed\n"
    assert (study / "logs/r01.txt").read_bytes() == FILES["log.txt"]
    assert len(fake.posts()) == 1


def test_a_testbed_out_of_reach_is_lost_after_its_patience(study: Path) -> None:
    with served(Fake()) as gone:
        pass
    testbed = RemoteTestbed(study, RemoteSettings(gone.url, patience_s=0.3), STUDY_ID)
    with pytest.raises(TestbedLost, match=r"out of reach for 0.3 s; see whether"):
        testbed.run(a_plan(), 1, silent)
    testbed.close()


def test_a_testbed_that_comes_back_goes_on(study: Path) -> None:
    fake = Fake()
    fake.ends = False
    with served(fake):
        port = int(fake.url.rpartition(":")[2])
        testbed = RemoteTestbed(study, RemoteSettings(fake.url, patience_s=20.0), STUDY_ID)
        found: list[Any] = []
        thread = threading.Thread(target=lambda: found.append(testbed.run(a_plan(), 1, silent)))
        thread.start()
        while not fake.runs:
            threading.Event().wait(0.01)
    with served(fake, port):
        fake.end(f"{STUDY_ID}~r01")
        thread.join(20)
    testbed.close()
    assert [run.status for run in found] == ["done"]
    assert [post["attempt"] for post in fake.posts()] == [1]


def test_stopping_cancels_what_runs(fake: Fake, far: RemoteTestbed) -> None:
    fake.ends = False
    stopper = threading.Thread(target=far.stop)

    def tell(message: dict[str, Any]) -> None:
        if message["event"] == "watts":
            stopper.start()

    with pytest.raises(Stopping):
        far.run(a_plan(), 1, tell)
    stopper.join()
    assert fake.runs[f"{STUDY_ID}~r01"]["state"] == "cancelled"


def test_the_token_is_sent_and_never_said(
    fake: Fake, study: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    fake.token = SECRET
    entry = {"url": fake.url, "token_env": "FAR_TOKEN"}
    for token, works in ((SECRET, True), ("wrong-horse", False), ("", False)):
        [testbed] = open_testbeds([entry], study, STUDY_ID, {"FAR_TOKEN": token})
        if works:
            testbed.prepare([a_plan()])
        else:
            with pytest.raises(UsageError, match="environment variable FAR_TOKEN") as caught:
                testbed.prepare([a_plan()])
            assert "horse" not in str(caught.value)
        testbed.close()
        assert "horse" not in repr(vars(testbed))
    assert "horse" not in caplog.text


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://me:secret@gpu1:8020", "http(s)://HOST:PORT and no more"),
        ("http://gpu1:8020/?token=secret", "http(s)://HOST:PORT and no more"),
    ],
)
def test_a_url_holds_no_secret(study: Path, url: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        open_testbeds([{"url": url}], study, STUDY_ID, {})
    assert said in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_testbed_is_given_once(study: Path) -> None:
    entries = [{"url": "http://gpu1:8020"}, {"url": "http://gpu1:8020/"}]
    with pytest.raises(UsageError, match="is given twice"):
        open_testbeds(entries, study, STUDY_ID, {})


def test_a_job_array_is_the_only_testbed(study: Path) -> None:
    entries: list[dict[str, Any]] = [{"url": "http://gpu1:8020"}, {"slurm": {"array": True}}]
    with pytest.raises(UsageError, match="leave out array: true"):
        open_testbeds(entries, study, STUDY_ID, {})


def test_people_are_told_that_nobody_answers() -> None:
    told: list[dict[str, Any]] = []
    testbed = RemoteTestbed(Path(), RemoteSettings("http://127.0.0.1:9"), STUDY_ID)
    outage = testbed._outage(told.append)
    for silent_s in (0.4, 2.5, 16.0, 40.0):
        outage.told(silent_s)
    testbed.close()
    phases = [each["phase"] for each in told if each["event"] == "phase"]
    assert phases == ["no answer for 2 s", "no answer for 16 s", "no answer for 40 s"]
    assert [each["note"] for each in told if each["event"] == "note"] == [
        "testbed http://127.0.0.1:9: no answer for 16 s; it is waited for 600 s"
    ]


def test_what_is_no_testbed_is_told(study: Path, fake: Fake) -> None:
    fake.host = {}
    settings = RemoteSettings(f"{fake.url}/v1/elsewhere", patience_s=0.2)
    testbed = RemoteTestbed(study, settings, STUDY_ID)
    with pytest.raises(UsageError, match="it is not known"):
        testbed.prepare([a_plan()])
    testbed.close()


def test_pauses_grow_and_differ_and_end_with_the_patience() -> None:
    now_s = [0.0]
    waited: list[float] = []

    class Stopped(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            assert timeout is not None
            waited.append(timeout)
            now_s[0] += timeout
            return False

    outage = Outage("u", 100.0, Stopped(), lambda: now_s[0], lambda: 0.5)

    def wait_forever() -> None:
        while True:
            outage.wait("it is gone")

    with pytest.raises(TestbedLost, match="was out of reach for 100 s"):
        wait_forever()
    assert waited[:4] == pytest.approx([0.15, 0.3, 0.6, 1.2])
    assert max(waited) == pytest.approx(22.5)
    assert now_s[0] == pytest.approx(100.0)
    outage.over()
    waited.clear()
    outage.wait("it is gone", at_least_s=3.0)
    assert waited == [3.0]


def test_events_are_read_as_far_as_they_are_ours() -> None:
    text = ': hello\n\nid: 7\nevent: watts\ndata: {"watts": 1.5}\n\ndata: no json\n\nevent: x\n'
    [event] = events(text.split("\n"))
    assert (event.kind, event.data, event.id) == ("watts", {"watts": 1.5}, "7")
