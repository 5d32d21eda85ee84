"""JSON over HTTP from a server of the machine room: bounded in time and size, with credentials.

User names, passwords and tokens come from environment variables whose names are options, so that no
record, log or process list holds one.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from joulebench.errors import UsageError
from joulebench.meters.polled import NoAnswer

if TYPE_CHECKING:
    import httpx

_LARGEST_BYTES = 64 << 20


@dataclass(frozen=True)
class Access:
    """Who asks, and whom to trust.

    Args:
        user_env: Environment variable that holds the user's name.
        password_env: Environment variable that holds the password.
        token_env: Environment variable that holds a bearer token.
        verify: Check the server's certificate.
        ca_file: File of certificates to trust instead of the system's.
    """

    user_env: str | None = None
    password_env: str | None = None
    token_env: str | None = None
    verify: bool = True
    ca_file: str | None = None

    def user(self) -> tuple[str, str] | None:
        """Give the user's name and password; ``None`` where none was named.

        Raises:
            UsageError: A variable is not set, or only one of the two was named.
        """
        if bool(self.user_env) != bool(self.password_env):
            raise UsageError("user_env and password_env belong together: name both or neither")
        if not (self.user_env and self.password_env):
            return None
        return secret(self.user_env), secret(self.password_env)

    def headers(self) -> dict[str, str]:
        """Give the headers that carry the token, if there is one."""
        return {"Authorization": f"Bearer {secret(self.token_env)}"} if self.token_env else {}


def secret(variable: str) -> str:
    """Read an environment variable that must be set.

    Raises:
        UsageError: It is not set, or empty.
    """
    value = os.environ.get(variable, "")
    if not value:
        raise UsageError(
            f"the environment variable {variable} is not set; set it to the secret itself, "
            "in the shell or the service that runs this"
        )
    return value


@dataclass(frozen=True)
class Answer:
    """What a server answered: status, headers (names in lower case) and the document."""

    status: int
    headers: Mapping[str, str]
    document: Any


class JsonServer:
    """A server that answers in JSON.

    Args:
        url: Its address, ``http://HOST:PORT`` or ``https://...``; paths are appended to it.
        access: Credentials and trust.
        timeout_s: Longest that one request may take, s.

    Raises:
        UsageError: The address is none, or carries a password.
    """

    def __init__(self, url: str, access: Access, timeout_s: float) -> None:
        import httpx

        _refuse_bad_address(url)
        self.url = url.rstrip("/")
        self._timeout_s = timeout_s
        self._errors: tuple[type[Exception], ...] = (httpx.HTTPError, httpx.InvalidURL)
        self._client = httpx.Client(
            auth=access.user(),
            headers=access.headers(),
            timeout=timeout_s,
            verify=_trust(url, access),
            trust_env=False,  # neither proxies nor a .netrc stand between machines of one room
        )

    def get(self, path: str, params: Mapping[str, str] | None = None) -> Any:
        """Give the document at a path.

        Raises:
            NoAnswer: No answer in time, an error status, or something other than JSON.
        """
        return accepted(self.exchange("GET", path, params=dict(params or {})), self.url).document

    def exchange(self, method: str, path: str, **content: Any) -> Answer:
        """Make one request and give whatever the server answered.

        Raises:
            NoAnswer: No answer in time, or something other than JSON.
        """
        deadline_s = time.monotonic() + self._timeout_s
        try:
            with self._client.stream(method, self.url + path, **content) as response:
                body = self._body(response, deadline_s)
                headers = {name.lower(): value for name, value in response.headers.items()}
                return Answer(response.status_code, headers, _parsed(body, response, self.url))
        except self._errors as error:
            raise NoAnswer(f"{self.url} does not answer: {_reason(error)}") from error

    def _body(self, response: httpx.Response, deadline_s: float) -> bytes:
        """Read the body, however slowly it comes, until the deadline and no further."""
        body = bytearray()
        for part in response.iter_bytes():
            body += part
            if time.monotonic() > deadline_s:
                raise NoAnswer(f"{self.url} did not finish its answer in {self._timeout_s:g} s")
            if len(body) > _LARGEST_BYTES:
                raise NoAnswer(f"{self.url} answered with more than {_LARGEST_BYTES >> 20} MiB")
        return bytes(body)

    def add_header(self, name: str, value: str) -> None:
        """Send a header with every request from now on; an empty value takes it away."""
        self._client.headers.pop(name, None)
        if value:
            self._client.headers[name] = value

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def accepted(answer: Answer, url: str) -> Answer:
    """Give an answer on if its status says that the request was granted.

    Raises:
        NoAnswer: An error status, with what the server said of it.
    """
    if answer.status < 300:
        return answer
    if answer.status in (401, 403):
        raise NoAnswer(f"{url} refuses the credentials (HTTP {answer.status})")
    raise NoAnswer(f"{url} answers with HTTP {answer.status}{_said(answer.document)}")


def _said(document: Any) -> str:
    said = document.get("error") if isinstance(document, dict) else None
    if isinstance(said, dict):  # Redfish
        said = said.get("message")
    return f": {said}" if said else ""


def _parsed(body: bytes, response: httpx.Response, url: str) -> Any:
    if not body:
        return None
    try:
        return json.loads(body)
    except ValueError as error:
        if response.status_code >= 300:
            return None
        raise NoAnswer(f"{url} answers, but not in JSON") from error


def _reason(error: Exception) -> str:
    text = str(error).strip()
    name = type(error).__name__
    return f"{text} ({name})" if text else name


def _trust(url: str, access: Access) -> Any:
    if not (access.verify and url.startswith("https")):
        return False
    if not access.ca_file:
        return True
    import ssl

    try:
        return ssl.create_default_context(cafile=access.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(f"ca_file {access.ca_file!r} cannot be used: {error}") from error


def _refuse_bad_address(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"url {url!r} is no address; write http://HOST:PORT or https://HOST:PORT")
    if parts.username is not None or parts.password is not None:
        raise UsageError(
            f"url of {parts.hostname}: a password in it would be recorded; name environment "
            "variables with user_env and password_env instead"
        )
