"""The functions of ``amdsmi`` as questions whose refusals carry AMD SMI's status code."""

from __future__ import annotations

import contextlib
import io
from typing import Any

from joulebench.errors import Unavailable
from joulebench.meters.amd_errors import FAIL_LOAD_SYMBOL, NO_DATA, UNKNOWN_ERROR, sentence

_NOT_A_NUMBER = 0xFFFF
"""Stands for "not supported" in AMD's 16-bit fields; wider ones have all their bits set."""


class AmdRefused(Exception):
    """AMD SMI answered with a status code instead of a value.

    Args:
        code: AMD SMI's status code.
    """

    def __init__(self, code: int) -> None:
        super().__init__(sentence(code))
        self.code = code


class AmdSmi:
    """Asks AMD SMI through any module with the functions of ``amdsmi``.

    Args:
        library: That module; ``amdsmi`` where ``None``.

    Raises:
        Unavailable: ``amdsmi`` or the library that it is made for is not installed.
    """

    def __init__(self, library: Any | None = None) -> None:
        self.library = _amdsmi() if library is None else library

    def ask(self, function: str, *arguments: Any) -> Any:
        """Call a function.

        Raises:
            AmdRefused: AMD SMI gave a status code, or the package lacks the function.
        """
        try:
            return getattr(self.library, f"amdsmi_{function}")(*arguments)
        except Exception as error:  # amdsmi raises what it meets on the way as well
            raise AmdRefused(code_of(error)) from error

    def known(self, function: str, *arguments: Any) -> Any:
        """Call a function, and give ``None`` where AMD SMI refuses."""
        try:
            return self.ask(function, *arguments)
        except AmdRefused:
            return None


def code_of(error: Exception) -> int:
    """Give AMD SMI's status code of an error."""
    code = getattr(error, "err_code", None)
    if isinstance(code, int):
        return code
    return FAIL_LOAD_SYMBOL if isinstance(error, AttributeError) else UNKNOWN_ERROR


def known_number(answer: Any, key: str) -> float | None:
    """Give a number from a dict of ``amdsmi``; ``None`` where it is "N/A" or not there.

    Args:
        answer: The dict; ``None`` where there was none.
        key: Its key.
    """
    value = None if answer is None else answer.get(key)
    if isinstance(value, list):
        value = next((one for one in value if isinstance(one, int | float)), None)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value)


def watts(answer: Any, key: str) -> float:
    """Give a power from ``amdsmi_get_power_info``, W.

    Raises:
        AmdRefused: It is not supported, or 0 W, which no live GPU draws.
    """
    value = known_number(answer, key)
    if value is None or not 0 < value < _NOT_A_NUMBER:
        raise AmdRefused(NO_DATA)
    return value


def joules(answer: Any) -> float:
    """Give the energy counted so far from ``amdsmi_get_energy_count``, J.

    The counter counts in steps of ``counter_resolution`` microjoules; its key was ``power`` before
    AMD SMI 6.3.

    Raises:
        AmdRefused: It stands at zero, as it does where it is not supported.
    """
    steps = known_number(
        answer, "energy_accumulator" if "energy_accumulator" in answer else "power"
    )
    if not steps or steps >= 2**64 - 1:
        raise AmdRefused(NO_DATA)
    return steps * float(answer["counter_resolution"]) * 1e-6


def _amdsmi() -> Any:
    """Import ``amdsmi``, which loads its library on the way and prints where that fails."""
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            import amdsmi
    except ImportError as error:
        raise Unavailable(
            "The Python package amdsmi is not installed.",
            "pip install amdsmi of the version of ROCm, or: pip install /opt/rocm/share/amd_smi",
        ) from error
    except AttributeError as error:
        raise Unavailable(
            f"amdsmi and libamd_smi.so are of different versions: {error}.",
            "pip install amdsmi of the version of ROCm: cat /opt/rocm/.info/version",
        ) from error
    except Exception as error:  # a KeyError or OSError, by version, where the library is absent
        raise Unavailable(
            "The Python package amdsmi is here, but not the library libamd_smi.so of ROCm.",
            "sudo apt install amd-smi-lib; where it is elsewhere: export ROCM_PATH=/opt/rocm",
        ) from error
    return amdsmi
