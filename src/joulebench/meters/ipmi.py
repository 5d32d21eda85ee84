"""Power of a whole node from its service processor, by IPMI: DCMI's "Get Power Reading".

The program ``ipmitool`` asks, through the kernel's device or over the network.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from typing import Any

from joulebench.channel import Channel
from joulebench.errors import Unavailable
from joulebench.meters.http_json import secret
from joulebench.meters.meter import ABSENT
from joulebench.meters.moments import BMC_GAIN, MomentMeter, Pace
from joulebench.meters.polled import NoAnswer

PROGRAM = "ipmitool"

_WATTS = {
    "reading_w": "Instantaneous power reading",
    "minimum_w": "Minimum during sampling period",
    "maximum_w": "Maximum during sampling period",
    "average_w": "Average power reading over sample period",
}
_STATE = re.compile(r"Power reading state is\s*:\s*(\w+)")
_PERIOD = re.compile(r"Sampling period\s*:\s*(\d+)\s*(\w+)")


class IpmiMeter(MomentMeter):
    """Reads the power that a service processor reports for its node.

    DCMI says neither how often the reading is updated nor what it averages over: the two are taken
    to be a second, as most service processors have them.

    Args:
        host: The service processor's address; without it this machine's own, by /dev/ipmi0.
        port: Its UDP port.
        user_env: Environment variable with the user's name.
        password_env: Environment variable with the password.
        privilege: Level to ask for: ``"USER"``, ``"OPERATOR"`` or ``"ADMINISTRATOR"``; what
            ``ipmitool`` asks for without it.
        cipher: Number of the cipher suite; the service processor is asked for it without it.
        device: Name of the channel's device.
        scope: What the reading covers.
        gain: Relative standard uncertainty of the reading; that of service processors without it.
        period_s: The service processor's own update period, s.
        averaging_s: Stretch that it averages over, s.
        poll_s: Time between two requests, s.
        timeout_s: Longest that one request may take, s.
        lost_after_s: How long it may give no reading before it counts as lost, s.

    Raises:
        Unavailable: There is no ``ipmitool``, no service processor, or it gives no power.
        UsageError: An option that cannot be used.
    """

    def __init__(  # noqa: PLR0913 - a service processor has that many settings, all of them named
        self,
        host: str | None = None,
        *,
        port: int = 623,
        user_env: str | None = None,
        password_env: str | None = None,
        privilege: str | None = None,
        cipher: int | None = None,
        device: str = "node",
        scope: str = "node",
        gain: float | None = None,
        period_s: float = 1.0,
        averaging_s: float = 1.0,
        poll_s: float = 1.0,
        timeout_s: float = 4.0,
        lost_after_s: float = 30.0,
    ) -> None:
        self._pace = Pace(poll_s, timeout_s, lost_after_s, period_s, averaging_s)
        self._words = [_program(), *_where(host, port, user_env, privilege, cipher)]
        self._environment = {**os.environ, "LC_ALL": "C"}
        if password_env:
            self._words.insert(1, "-E")
            self._environment["IPMI_PASSWORD"] = secret(password_env)
        self._last: dict[str, Any] = {}
        name = f"the service processor {host}" if host else "this machine's service processor"
        gain = BMC_GAIN if gain is None else gain
        channel = Channel(f"{device}:ipmi-power", "W", 1.0, gain, scope=scope)
        try:
            self._refuse_no_power()
            self.follow([channel], self._read, name, self._pace)
        except NoAnswer as error:
            raise _unavailable(str(error), name, host) from error
        self.notes = [
            f"a service processor's reading, taken to be updated every {period_s:g} s and averaged "
            f"over {averaging_s:g} s, which DCMI does not tell"
        ]
        if self._last["state"] != "activated":
            self.notes.append("the service processor calls its own power measurement inactive")

    def facts(self) -> dict[str, Any]:
        """Give how it was asked, and the service processor's own statistics."""
        return {**super().facts(), "last_answer": self._last}

    def _refuse_no_power(self) -> None:
        """Refuse a service processor that answers without a reading: 0 W is none."""
        if not self._read()[0] > 0:
            raise NoAnswer(f"it reports 0 W, and its measurement is {self._last['state']}")

    def _read(self) -> list[float]:
        answer = self._asked()
        self._last = parsed(answer)
        return [self._last["reading_w"] or ABSENT]

    def _asked(self) -> str:
        try:
            ended = subprocess.run(
                [*self._words, "dcmi", "power", "reading"],
                capture_output=True,
                stdin=subprocess.DEVNULL,
                timeout=self._pace.timeout_s,
                env=self._environment,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise NoAnswer(f"{PROGRAM} had no answer in {self._pace.timeout_s:g} s") from error
        except OSError as error:
            raise NoAnswer(f"{PROGRAM} cannot be run: {error.strerror}") from error
        if ended.returncode:
            raise NoAnswer(_last_line(ended.stderr) or f"{PROGRAM} ended with {ended.returncode}")
        return ended.stdout.decode("utf-8", "replace")


def parsed(text: str) -> dict[str, Any]:
    """Read what ``ipmitool dcmi power reading`` prints.

    Returns:
        Reading, minimum, maximum and average in W, the period of the last three as it is printed,
        and the state of the measurement.

    Raises:
        NoAnswer: There is no reading in it.
    """
    found: dict[str, Any] = {}
    for name, label in _WATTS.items():
        watts = re.search(rf"{label}\s*:\s*(\d+)\s*Watts", text)
        if watts:
            found[name] = float(watts[1])
    state, period = _STATE.search(text), _PERIOD.search(text)
    if "reading_w" not in found:
        raise NoAnswer(f"{PROGRAM} printed no power reading: {text.strip()[:120]!r}")
    found["state"] = state[1] if state else "unknown"
    if period:
        found["statistics_over"] = f"{int(period[1])} {period[2].casefold()}"
    return found


def _where(
    host: str | None, port: int, user_env: str | None, privilege: str | None, cipher: int | None
) -> list[str]:
    """Give the words that say whom to ask; nothing of a secret is among them."""
    if not host:
        return []
    # -N and -R: one second an attempt, two attempts.
    words = ["-I", "lanplus", "-H", host, "-p", str(port), "-N", "1", "-R", "2"]
    words += ["-U", secret(user_env)] if user_env else []
    words += ["-L", privilege] if privilege else []
    return words + (["-C", str(cipher)] if cipher is not None else [])


def _program() -> str:
    path = shutil.which(PROGRAM)
    if path is None:
        raise Unavailable(
            f"The program {PROGRAM} is not installed.", "sudo apt-get install ipmitool"
        )
    return path


def _last_line(printed: bytes) -> str:
    lines = printed.decode("utf-8", "replace").strip().splitlines()
    return lines[-1].strip() if lines else ""


def _unavailable(said: str, name: str, host: str | None) -> Unavailable:
    what = f"No power reading from {name}: {said}."
    if "ould not open device" in said and "ermission denied" in said:
        return Unavailable(what, "sudo chmod a+rw /dev/ipmi0")
    if "ould not open device" in said:
        return Unavailable(what, "sudo modprobe -a ipmi_si ipmi_devintf")
    if "Invalid command" in said:
        return Unavailable(
            what, "It has no DCMI: try the meter 'redfish', or 'snmp' at its outlet."
        )
    if "privilege" in said:
        return Unavailable(what, "Ask with another privilege, or as another user.")
    if host:
        return Unavailable(
            what,
            "Check host, port, user_env and password_env, and that IPMI over LAN is on: "
            f"{PROGRAM} -I lanplus -H {host} -U USER -E mc info",
        )
    return Unavailable(what, f"sudo {PROGRAM} dcmi power reading")
