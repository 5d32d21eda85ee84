"""Requests of all forms to a testbed's service: no failure of its own, no way past the token."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from service_fuzz import fuzz, without_token
from service_server import STUDY, Server, body, ended, generation

REQUESTS = int(os.environ.get("JOULEBENCH_FUZZ_HTTP", "200"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    found = Server(tmp_path_factory.mktemp("fuzz"))
    yield found
    assert found.end() == 0
    assert "Traceback" not in found.log


def test_schemathesis_finds_nothing(server: Server, tmp_path: Path) -> None:
    with server.client() as client:
        client.post("/v1/runs", json=body(generation("known")))
        ended(client, "known")
    outcome = fuzz(server, REQUESTS, 20260608, tmp_path)
    assert outcome.status == 0, outcome.said
    assert sum(outcome.answered.values()) >= REQUESTS
    assert [code for code in outcome.answered if code >= 500 and code != 503] == []
    assert {200, 401, 404, 422} <= set(outcome.answered)


@settings(max_examples=max(30, REQUESTS // 20))
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE"]),
    path=st.sampled_from(
        ["/v1/runs", "/v1/host", "/v1/check", "/metrics", f"/v1/runs/{STUDY}~known"]
    ),
    before=st.sampled_from(["", "/healthz/..", "//", "/./", "/healthz%2f..", "\\"]),
    after=st.text(max_size=8),
)
@example("GET", f"/v1/runs/{STUDY}~known", "", "")
@example("GET", "/metrics", "/healthz/..", "")
@example("GET", "/v1/runs", "", "?token=x")
def test_nothing_is_told_without_the_token(
    server: Server, method: str, path: str, before: str, after: str
) -> None:
    sent = before + path + quote(after, safe="?/#", errors="replace")
    assert without_token(server, method, sent) == 401
