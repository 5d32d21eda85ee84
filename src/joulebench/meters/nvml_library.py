"""The functions of ``pynvml`` as questions whose refusals carry NVML's return code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from joulebench.errors import Unavailable
from joulebench.meters.nvml_errors import FUNCTION_NOT_FOUND, UNKNOWN_ERROR, sentence

Field = tuple[int, int]
"""A field value: its id, and the scope that it is asked for."""

_VALUES = ("dVal", "uiVal", "ulVal", "ullVal", "sllVal", "siVal", "usVal")
"""Member of the union for each ``nvmlValueType_t``."""


class Refused(Exception):
    """NVML answered with a return code instead of a value.

    Args:
        code: NVML's return code.
    """

    def __init__(self, code: int) -> None:
        super().__init__(sentence(code))
        self.code = code


class Nvml:
    """Asks NVML through any module with the functions of ``pynvml``.

    Args:
        library: That module; ``pynvml`` where ``None``.

    Raises:
        Unavailable: ``pynvml`` is not installed.
    """

    def __init__(self, library: Any | None = None) -> None:
        self.library = _pynvml() if library is None else library

    def ask(self, function: str, *arguments: Any) -> Any:
        """Call a function; text is given as text.

        Raises:
            Refused: NVML gave a return code, or driver or package lack the function.
        """
        try:
            return text(getattr(self.library, function)(*arguments))
        except Exception as error:  # pynvml has errors of its own beside NVML's
            raise Refused(code_of(error)) from error

    def known(self, function: str, *arguments: Any) -> Any:
        """Call a function, and give ``None`` where NVML refuses."""
        try:
            return self.ask(function, *arguments)
        except Refused:
            return None

    def fields(self, handle: Any, wanted: Sequence[Field]) -> dict[Field, float | Refused]:
        """Ask for field values in one call; where that is refused, for each alone.

        Args:
            handle: The GPU.
            wanted: Field values.

        Returns:
            The number of each, in NVML's unit, or why there is none.
        """
        try:
            answers = self.library.nvmlDeviceGetFieldValues(handle, list(wanted))
            return {field: number(answer) for field, answer in zip(wanted, answers, strict=True)}
        except Exception as error:  # some drivers refuse all for the sake of one
            if len(wanted) == 1:
                return {wanted[0]: Refused(code_of(error))}
        return {field: self.fields(handle, [field])[field] for field in wanted}


def number(answer: Any) -> float | Refused:
    """Give the number in a field value; the call succeeds even where a single field failed."""
    if answer.nvmlReturn != 0:
        return Refused(int(answer.nvmlReturn))
    if not 0 <= answer.valueType < len(_VALUES):
        return Refused(UNKNOWN_ERROR)
    return float(getattr(answer.value, _VALUES[answer.valueType]))


def code_of(error: Exception) -> int:
    """Give NVML's return code of an error; functions that are not there count as not found."""
    code = getattr(error, "value", None)
    if isinstance(code, int):
        return code
    missing = isinstance(error, AttributeError) or "Mismatch" in type(error).__name__
    return FUNCTION_NOT_FOUND if missing else UNKNOWN_ERROR


def text(answer: Any) -> Any:
    """Turn bytes into text, and leave everything else."""
    return answer.decode(errors="replace") if isinstance(answer, bytes) else answer


def _pynvml() -> Any:
    try:
        import pynvml
    except ImportError as error:
        raise Unavailable(
            "The Python package nvidia-ml-py is not installed.", "pip install nvidia-ml-py"
        ) from error
    return pynvml
