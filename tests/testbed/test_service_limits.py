"""What a testbed's service lets through: tokens, hosts, lengths, times and numbers."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from service_server import STUDY, TOKEN, Server, body, command, generation, until

from joulebench.cli import invoke
from joulebench.testbed.service_settings import HEAD_S, MOST_CONNECTIONS

JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    found = Server(tmp_path_factory.mktemp("limits"), "--max-body", "5000")
    yield found
    assert found.end() == 0
    assert "Traceback" not in found.log
    assert TOKEN not in found.log


@pytest.fixture(scope="module")
def unlocked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    found = Server(tmp_path_factory.mktemp("open"), token="")
    yield found
    assert found.end() == 0


def raw(server: Server, sent: bytes, timeout_s: float = 10.0) -> bytes:
    """Send bytes and give what comes back until the other end closes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=timeout_s) as link:
        link.sendall(sent)
        return drained(link)


def drained(link: socket.socket) -> bytes:
    got = b""
    while piece := link.recv(65536):
        got += piece
    return got


AUTHORISED = f"Host: localhost\r\nAuthorization: Bearer {TOKEN}\r\n"

PATHS = [
    ("GET", "/v1/host"),
    ("GET", "/v1/runs"),
    ("POST", "/v1/runs"),
    ("POST", "/v1/check"),
    ("GET", f"/v1/runs/{STUDY}~x"),
    ("DELETE", f"/v1/runs/{STUDY}~x"),
    ("GET", f"/v1/runs/{STUDY}~x/events"),
    ("GET", f"/v1/runs/{STUDY}~x/files/log.txt"),
    ("GET", "/metrics"),
    ("GET", "/v1/openapi.json"),
    ("GET", "/v1/nowhere"),
    ("PATCH", "/v1/runs"),
    ("GET", "//healthz"),
    ("GET", "/healthz/"),
]


@pytest.mark.parametrize(("method", "path"), PATHS)
def test_nothing_but_health_is_told_without_the_token(
    server: Server, method: str, path: str
) -> None:
    wrong = [{}, {"Authorization": "Bearer"}, {"Authorization": f"Bearer {TOKEN}x"}]
    wrong += [{"Authorization": f"Basic {TOKEN}"}, {"Authorization": TOKEN}]
    wrong += [{"Authorization": f"Bearer {TOKEN[:-1]}"}, {"Authorization": "Bearer é"}]
    with httpx.Client(base_url=server.url, trust_env=False) as client:
        for headers in wrong:
            encoded = [(n.encode(), value.encode("latin-1")) for n, value in headers.items()]
            answer = client.request(method, path, headers=encoded)
            assert answer.status_code == 401, (headers, answer.text)
            assert answer.headers["WWW-Authenticate"] == "Bearer"
            assert set(answer.json()) == {"error"}
        assert client.get(path, params={"token": TOKEN}).status_code == 401
        assert client.get("/healthz").json() == {"status": "ok"}


def test_two_tokens_are_none(server: Server) -> None:
    sent = (
        f"GET /v1/host HTTP/1.1\r\n{AUTHORISED}Authorization: Bearer x\r\nConnection: close\r\n\r\n"
    )
    assert raw(server, sent.encode()).startswith(b"HTTP/1.1 401 ")


def test_a_body_that_is_too_long_is_refused_without_being_read(server: Server) -> None:
    # Ten terabytes are announced; not one byte of them is sent before the answer is there.
    head = f"POST /v1/check HTTP/1.1\r\n{AUTHORISED}Content-Length: 10000000000000\r\n\r\n"
    got = raw(server, head.encode())
    assert got.startswith(b"HTTP/1.1 413 ")
    assert b"--max-body" in got
    assert b"connection: close" in got.lower()


def test_a_body_without_a_length_is_cut_at_the_limit(server: Server) -> None:
    head = f"POST /v1/check HTTP/1.1\r\n{AUTHORISED}Transfer-Encoding: chunked\r\n\r\n"
    chunk = b"1000\r\n" + b"x" * 4096 + b"\r\n"
    got = raw(server, head.encode() + 2 * chunk)  # the end never comes
    assert got.startswith(b"HTTP/1.1 413 ")


def test_a_body_of_just_the_limit_is_read(server: Server) -> None:
    with server.client() as client:
        sent = b'{"plans": []}'
        assert client.post("/v1/check", content=sent.ljust(5000), headers=JSON).status_code == 200
        assert client.post("/v1/check", content=sent.ljust(5001), headers=JSON).status_code == 413


def test_a_long_head_is_refused(server: Server) -> None:
    got = raw(server, f"GET /healthz HTTP/1.1\r\nHost: a\r\nX: {'x' * 20_000}".encode())
    assert got.startswith(b"HTTP/1.1 400 ")


def test_a_head_that_does_not_come_is_not_waited_for(server: Server) -> None:
    begun_s = time.monotonic()
    assert raw(server, b"GET /healthz HT", timeout_s=HEAD_S + 20) == b""
    assert time.monotonic() - begun_s > HEAD_S / 2


def test_connections_beyond_the_most_are_closed(server: Server) -> None:
    links: list[socket.socket] = []
    try:
        place = ("127.0.0.1", server.port)
        links.extend(socket.create_connection(place, 10) for _ in range(MOST_CONNECTIONS + 1))
        with pytest.raises((ConnectionError, BrokenPipeError)):
            until(lambda: not links[-1].send(b"G"), 10)
    finally:
        for link in links:
            link.close()
    with server.client() as client:
        until(lambda: healthy(client))


def healthy(client: httpx.Client) -> bool:
    try:
        return client.get("/healthz").status_code == 200
    except httpx.TransportError:
        return False


def test_web_pages_of_others_are_not_answered_where_no_token_is_asked(unlocked: Server) -> None:
    with httpx.Client(base_url=unlocked.url, trust_env=False) as client:
        assert client.get("/v1/host").status_code == 200
        port = unlocked.port
        for host in ("localhost:9000", f"127.0.0.1:{port}", "[::1]", "LOCALHOST"):
            assert client.get("/v1/host", headers={"Host": host}).status_code == 200, host
        for host in (
            "evil.example",
            f"evil.example:{port}",
            "127.0.0.1.evil.example",
            "10.0.0.1",
            "",
        ):
            refused = client.get("/v1/host", headers={"Host": host})
            assert refused.status_code == 400, host
            assert "Host" in refused.json()["error"]
        for origin in ("http://evil.example", "null"):
            refused = client.post("/v1/check", json={"plans": []}, headers={"Origin": origin})
            assert refused.status_code == 400
        # What a page can send without being asked first is no JSON.
        sent = client.post(
            "/v1/check", content=b'{"plans": []}', headers={"Content-Type": "text/plain"}
        )
        assert sent.status_code == 422


def test_a_command_is_run_only_where_that_is_allowed(unlocked: Server) -> None:
    with httpx.Client(base_url=unlocked.url, trust_env=False) as client:
        for url, sent in (
            ("/v1/check", {"plans": [command("c", "true")]}),
            ("/v1/runs", body(command("c", "true"))),
        ):
            refused = client.post(url, json=sent)
            assert refused.status_code == 422
            assert "--allow-command" in refused.json()["error"]
        assert client.get("/v1/runs").json() == {"runs": []}


def test_paths_are_taken_from_folders_that_are_allowed(tmp_path: Path) -> None:
    inside, outside = tmp_path / "items", tmp_path / "else"
    for folder in (inside, outside):
        folder.mkdir()
        (folder / "p.jsonl").write_text('{"prompt": "hello"}\n')
    (inside / "link.jsonl").symlink_to(outside / "p.jsonl")
    server = Server(tmp_path / "server", "--data", str(inside))
    try:
        with server.client() as client:
            for file, status in (
                (inside / "p.jsonl", 200),
                (outside / "p.jsonl", 422),
                (inside / "link.jsonl", 422),
                (inside / ".." / "else" / "p.jsonl", 422),
            ):
                plan = generation("x", tasks={"prompts": str(file)})
                answer = client.post("/v1/check", json={"plans": [plan]})
                assert answer.status_code == status, (file, answer.text)
    finally:
        server.end()


def certificate(folder: Path) -> tuple[Path, Path]:
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
         "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)],
        check=True, capture_output=True,
    )  # fmt: skip
    key.chmod(0o600)
    return cert, key


def test_tls_is_spoken_where_it_is_asked_for(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    server = Server(tmp_path / "server", "--tls-cert", str(cert), "--tls-key", str(key))
    try:
        assert server.url.startswith("https://")
        trusted = ssl.create_default_context(cafile=str(cert))
        with server.client(verify=trusted) as client:
            assert client.get("/v1/host").status_code == 200
        with pytest.raises(httpx.TransportError), server.client() as client:
            client.get("/v1/host")
    finally:
        assert server.end() == 0


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert invoke(["testbed", "serve", *words]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1, said
    return said


def test_what_cannot_be_served_is_said_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], server: Server
) -> None:
    token = tmp_path / "token"
    state = ("--state", str(tmp_path / "state"))
    token.write_text(TOKEN)
    token.chmod(0o644)
    assert f"chmod 600 {token}" in refused(capsys, "--token-file", str(token))
    token.chmod(0o600)
    token.write_text("short")
    assert "at least 16 characters" in refused(capsys, "--token-file", str(token))
    assert "No such file" in refused(capsys, "--token-file", str(tmp_path / "none"))
    assert "--token-file FILE" in refused(capsys, "--host", "0.0.0.0", *state)
    assert "something else listens there" in refused(capsys, "--port", str(server.port), *state)
    assert "no such host" in refused(capsys, "--host", "no.such.host.invalid")
    token.write_text(TOKEN)
    words = ("--host", "192.0.2.1", "--token-file", str(token), *state)
    assert invoke(["testbed", "serve", *words]) == 2
    assert "no address of this machine" in capsys.readouterr().err
    assert "no such folder" in refused(capsys, "--data", str(tmp_path / "none"), *state)
    assert "need each other" in refused(capsys, "--tls-cert", str(token), *state)
    both = ("--tls-cert", str(token), "--tls-key", str(token))
    assert "cannot be used" in refused(capsys, *both, *state)
    assert "another joulebench testbed serve" in refused(
        capsys, "--port", "0", "--state", str(server.state)
    )


def test_a_missing_extra_names_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if "testbed.service_" in name]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert "pip install 'joulebench[testbed]'" in refused(capsys)


def test_the_group_names_its_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["testbed"]) == 2
    said = capsys.readouterr().out
    assert "serve" in said
    assert "init" in said
    assert invoke(["testbed", "sevre"]) == 2
    assert "did you mean 'serve'?" in capsys.readouterr().err
