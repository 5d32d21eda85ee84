"""From the testbeds of a study file to those that trials are sent to."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from joulebench.errors import UsageError
from joulebench.testbed.testbed import Testbed

Entry = Mapping[str, Any]


def open_testbeds(
    entries: Sequence[Entry],
    folder: Path,
    study_id: str,
    environment: Mapping[str, str] | None = None,
) -> list[Testbed]:
    """Give the testbeds of a study; nothing is asked of them yet.

    Args:
        entries: The study's ``testbeds``, resolved.
        folder: Of the study.
        study_id: Drawn once for that folder.
        environment: Where tokens are; this process's if not given.

    Raises:
        UsageError: A testbed given twice, a password in a URL, a file that is not there, or an
            array beside other testbeds.
    """
    urls = [entry["url"].rstrip("/") for entry in entries if entry.get("url")]
    twice = next((url for url in urls if urls.count(url) > 1), None)
    if twice is not None:
        raise UsageError(f"testbeds: {twice} is given twice; give each testbed once")
    _refuse_shared_array(entries)
    variables = os.environ if environment is None else environment
    found: list[Testbed] = []
    for number, entry in enumerate(entries):
        if entry.get("url"):
            found.append(_remote(entry, folder, study_id, variables, f"testbeds.{number}"))
        else:
            found += _slurm(entry, folder, study_id)
    return found


def _remote(
    entry: Entry, folder: Path, study_id: str, variables: Mapping[str, str], at: str
) -> Testbed:
    from joulebench.testbed.remote import RemoteSettings, RemoteTestbed

    _refuse_secrets(str(entry["url"]), at)
    token_env = str(entry.get("token_env", "JOULEBENCH_TOKEN"))
    settings = RemoteSettings(
        url=str(entry["url"]).rstrip("/"),
        token=variables.get(token_env, "").strip(),
        token_env=token_env,
        ca=str(Path(entry["ca"]).expanduser()) if entry.get("ca") else "",
        name=str(entry.get("name", "")),
        lease_s=float(entry.get("lease_s", 300.0)),
        patience_s=float(entry.get("patience_s", 600.0)),
    )
    return RemoteTestbed(folder, settings, study_id)


def _refuse_secrets(url: str, at: str) -> None:
    parts = urlsplit(url)
    if parts.username or parts.password or parts.query or parts.fragment:
        raise UsageError(
            f"{at}.url: must be http(s)://HOST:PORT and no more; put the testbed's token into the "
            "environment variable that token_env names"
        )


def _refuse_shared_array(entries: Sequence[Entry]) -> None:
    """Refuse a job array that others might overtake: it is submitted a block ahead."""
    array = any(entry.get("slurm", {}).get("array") for entry in entries)
    if array and len(entries) > 1:
        raise UsageError(
            "testbeds: a job array is submitted a block ahead, and another testbed could run its "
            "trials meanwhile; leave out array: true, or make the cluster the only testbed"
        )


def _slurm(entry: Entry, folder: Path, study_id: str) -> Sequence[Testbed]:
    from joulebench.testbed.slurm import slurm_testbeds

    name = str(entry.get("name") or "slurm")
    patience_s = float(entry.get("patience_s", 600.0))
    return slurm_testbeds(folder, entry["slurm"], name, study_id, patience_s)
