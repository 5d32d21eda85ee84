"""The line to a testbed's service, which is asked again while it is out of reach."""

from __future__ import annotations

import random
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from joulebench.errors import UsageError, readable
from joulebench.testbed.testbed import TestbedLost

CONNECT_S = 10.0
READ_S = 60.0
CHECK_S = 300.0
"""Checking plans may import libraries, s."""

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 30.0
_LONGEST_ERROR = 300

LATER = (408, 425, 429, 500, 502, 503, 504)
"""Answers that may be others when asked again."""


class Stopping(TestbedLost):
    """The study is being stopped; what runs is cancelled."""


class Refused(UsageError):
    """The service has refused what was asked.

    Args:
        status: Of the answer.
        error: What it says.
        retry_after_s: When it may be asked again, s; ``None`` if it will not change its mind.
    """

    def __init__(self, status: int, error: str, retry_after_s: float | None = None) -> None:
        super().__init__(error)
        self.status = status
        self.retry_after_s = retry_after_s


@dataclass
class Outage:
    """How long a testbed has been out of reach, and when it is tried again.

    Args:
        where: Its URL.
        patience_s: So long is waited, s.
        stopped: Set when the study is being stopped.
        now_s: Gives monotonic time, s.
        share: Gives a random number from 0 to 1, so that many do not come back at once.
        told: Is told, before each wait, for how long nobody has answered, s.
    """

    where: str
    patience_s: float
    stopped: threading.Event
    now_s: Callable[[], float] = time.monotonic
    share: Callable[[], float] = field(default_factory=lambda: random.SystemRandom().random)
    told: Callable[[float], object] = lambda _silent_s: None
    _since_s: float | None = None
    _pause_s: float = _FIRST_PAUSE_S

    def over(self) -> None:
        """Note that it has answered."""
        self._since_s, self._pause_s = None, _FIRST_PAUSE_S

    def wait(self, why: str, at_least_s: float = 0.0) -> None:
        """Wait before it is asked again.

        Args:
            why: What went wrong.
            at_least_s: The service asks for so long, s.

        Raises:
            TestbedLost: It has been out of reach for too long.
            Stopping: The study is being stopped.
        """
        now_s = self.now_s()
        self._since_s = now_s if self._since_s is None else self._since_s
        left_s = self._since_s + self.patience_s - now_s
        if left_s <= 0:
            raise TestbedLost(
                f"testbed {self.where}: {why}; it was out of reach for {self.patience_s:g} s; see "
                "whether 'joulebench testbed serve' runs there, or raise patience_s"
            )
        self.told(now_s - self._since_s)
        pause_s = max(at_least_s, self._pause_s * (0.5 + 0.5 * self.share()))
        self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
        if self.stopped.wait(min(pause_s, left_s)):
            raise Stopping("the study was stopped")


class Link:
    """Speaks to one service.

    Args:
        url: Of the service.
        token: Sent with each request; empty for none. It appears in no message.
        token_env: Where the token comes from, for messages.
        ca: File of a certificate authority; the system's if empty.
    """

    def __init__(self, url: str, token: str, token_env: str, ca: str = "") -> None:
        self.where = url.rstrip("/")
        self.stopped = threading.Event()
        self._token_env = token_env
        headers = {"Accept-Encoding": "identity"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        self._client = httpx.Client(
            base_url=self.where,
            headers=headers,
            verify=_trust(ca),
            timeout=httpx.Timeout(READ_S, connect=CONNECT_S),
            follow_redirects=False,
        )

    def outage(
        self, patience_s: float, told: Callable[[float], object] = lambda _silent_s: None
    ) -> Outage:
        """Begin to count how long the service is out of reach; ``told`` hears of it."""
        return Outage(self.where, patience_s, self.stopped, told=told)

    def ask(
        self,
        method: str,
        path: str,
        outage: Outage,
        *,
        body: Any = None,
        params: Mapping[str, str] | None = None,
        timeout_s: float = READ_S,
    ) -> dict[str, Any]:
        """Ask until there is an answer; what is asked must bear being asked twice.

        Args:
            method: ``GET``, ``POST`` or ``DELETE``.
            path: Below the URL.
            outage: Counts how long nobody answers.
            body: JSON-ready.
            params: Of the query.
            timeout_s: For one answer, s.

        Raises:
            Refused: The service says no.
            TestbedLost: It was out of reach for too long.
        """
        while True:
            if self.stopped.is_set():
                raise Stopping("the study was stopped")
            timeout = httpx.Timeout(timeout_s, connect=CONNECT_S)
            try:
                answer = self._client.request(
                    method, path, json=body, params=params, timeout=timeout
                )
                content = self._read(answer)
            except (httpx.TransportError, httpx.DecodingError) as error:
                self._refuse_untrusted(error)
                outage.wait(_said(error))
            except Refused as refused:
                if refused.status not in LATER:
                    raise
                outage.wait(str(refused), refused.retry_after_s or 0.0)
            else:
                outage.over()
                return content

    @contextmanager
    def stream(
        self, path: str, headers: Mapping[str, str] | None = None, timeout_s: float = READ_S
    ) -> Iterator[httpx.Response]:
        """Open an answer to be read as it comes; asked once.

        Args:
            path: Below the URL.
            headers: Of the request.
            timeout_s: Longest silence, s.

        Raises:
            Refused: The service says no.
            httpx.TransportError: It is out of reach.
        """
        timeout = httpx.Timeout(timeout_s, connect=CONNECT_S)
        with self._client.stream("GET", path, headers=dict(headers or {}), timeout=timeout) as got:
            if got.status_code not in (200, 206):
                got.read()
                self._read(got)
            yield got

    def tell_once(self, method: str, path: str, timeout_s: float) -> None:
        """Say something without waiting for a service that does not answer.

        Args:
            method: ``DELETE``.
            path: Below the URL.
            timeout_s: For all of it, s.
        """
        try:
            self._client.request(method, path, timeout=timeout_s)
        except httpx.HTTPError:
            return

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _read(self, answer: httpx.Response) -> dict[str, Any]:
        """Give the content of an answer.

        Raises:
            Refused: It is a refusal, or not what a testbed says.
        """
        try:
            content = answer.json()
        except ValueError:
            content = None
        if answer.is_success and isinstance(content, dict):
            return content
        if answer.status_code in (401, 403):
            raise Refused(
                answer.status_code,
                f"testbed {self.where} takes no requests with this token; put what is in its "
                f"--token-file into the environment variable {self._token_env}",
            )
        said = content.get("error") if isinstance(content, dict) else None
        if not isinstance(said, str):
            raise Refused(
                answer.status_code,
                f"testbed {self.where}: answers as no testbed does (status {answer.status_code}); "
                "check the URL",
            )
        line = readable_line(said)
        raise Refused(answer.status_code, f"testbed {self.where}: {line}", _retry_after(answer))

    def _refuse_untrusted(self, error: BaseException) -> None:
        """Raise at once where waiting cannot help: a certificate that is not to be trusted."""
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, ssl.SSLCertVerificationError):
                raise UsageError(
                    f"testbed {self.where}: its certificate is not to be trusted "
                    f"({cause.verify_message}); give its authority: testbeds: [{{ca: FILE}}]"
                ) from error
            cause = cause.__cause__ or cause.__context__


def readable_line(text: str) -> str:
    """Give what another machine says as one line that does nothing to a terminal."""
    line = " ".join(text.split())
    line = "".join(c if c.isprintable() else readable(c) for c in line)
    return line if len(line) <= _LONGEST_ERROR else f"{line[:_LONGEST_ERROR]}..."


def _trust(ca: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca or None)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(
            f"testbeds: ca: {ca}: is no file of certificates: {readable_line(str(error))}"
        ) from error


def _said(error: Exception) -> str:
    return readable_line(str(error)) or type(error).__name__


def _retry_after(answer: httpx.Response) -> float | None:
    text = answer.headers.get("Retry-After", "")
    try:
        return min(60.0, max(0.1, float(text)))
    except ValueError:
        return None
