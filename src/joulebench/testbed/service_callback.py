"""Tells an orchestrator that a trial has ended, where it asked for that; asking is the sure way."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

from joulebench import __version__
from joulebench.testbed.service_trial import ServedTrial

_LOG = logging.getLogger("joulebench.testbed.service")

_TRIES_S = (0.0, 2.0, 10.0)
_TIMEOUT_S = 10.0


def call_back(trial: ServedTrial) -> threading.Thread | None:
    """Send the state of a trial that has ended to its callback, in a thread of its own.

    Its address was checked when the trial came; no redirection is followed, no proxy is asked.
    """
    if not trial.callback_url:
        return None
    args = (trial.callback_url, trial.public(), trial.run_id)
    thread = threading.Thread(target=_send, args=args, daemon=True, name="callback")
    thread.start()
    return thread


def _send(url: str, state: dict[str, Any], run_id: str) -> None:
    import httpx

    for wait_s in _TRIES_S:
        time.sleep(wait_s)
        try:
            answer = httpx.post(
                url,
                json=state,
                timeout=_TIMEOUT_S,
                follow_redirects=False,
                trust_env=False,
                headers={"User-Agent": f"joulebench/{__version__}"},
            )
        except (httpx.HTTPError, OSError, ValueError) as error:
            why = f"{type(error).__name__}: {error}"
        else:
            if answer.status_code < 500:
                return
            why = f"status {answer.status_code}"
        _LOG.warning("the callback of %s was not taken: %s", run_id, why)
