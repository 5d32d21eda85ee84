"""The most memory that a model took, and what is said where there was too little."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from joulebench.work import GenerationFailed

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_RESET_PEAK = "5"

_CPU_WORDS = (
    "can't allocate memory",
    "cannot allocate memory",
    "not enough memory",
    "out of memory",
    "std::bad_alloc",
)
"""How torch and what it calls say that memory is at its end, in small letters."""


class PeakMemory:
    """The most memory in use since it was last asked to begin anew.

    The host's is what this process has resident: Python, libraries and mapped weights included,
    swapped pages not. The device's is what torch gave to tensors, without its reserve and the
    driver's own.
    """

    def __init__(self) -> None:
        self.anew = False

    def begin(self, device: Any) -> None:
        """Forget the peaks so far."""
        if device is not None and device.type == "cuda":
            import torch

            torch.cuda.reset_peak_memory_stats(device)
        try:
            _CLEAR.write_text(_RESET_PEAK, "ascii")
        except OSError:
            return  # the peak is then that of the process's whole life, and facts say so
        self.anew = True

    def facts(self, device: Any) -> dict[str, Any]:
        """Give the peaks, bytes, and since when."""
        facts: dict[str, Any] = {}
        on_device = device_peak(device)
        if on_device is not None:
            facts["peak_device_bytes"] = on_device
        host = host_peak()
        if host is not None:
            facts["peak_host_bytes"] = host
            facts["peak_host_since"] = "measure" if self.anew else "start of the process"
        return facts


def device_peak(device: Any) -> int | None:
    """Give the most bytes of tensors on a device; ``None`` where it is not told."""
    if device is None or device.type != "cuda":
        return None
    import torch

    return int(torch.cuda.max_memory_allocated(device))


def host_peak(status: Path = _STATUS) -> int | None:
    """Give the most bytes that this process had resident; ``None`` where it is not told."""
    try:
        lines = status.read_text("ascii").splitlines()
        line = next(line for line in lines if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        return None
    return int(line.split()[1]) * 1024


def is_out_of_memory(error: BaseException) -> bool:
    """Say whether an error means that memory is at its end."""
    import torch

    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(words in text for words in _CPU_WORDS)


@contextmanager
def in_memory(device: Any, doing: str, engine: str = "transformers") -> Iterator[None]:
    """Turn a lack of memory into one line.

    Args:
        device: Where the work takes place.
        doing: What it is, for the line: ``"loading"``.
        engine: Kind of the engine, for the line.

    Raises:
        GenerationFailed: There was too little; tells device, peak and what to do.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as cause:
        if not is_out_of_memory(cause):
            raise
        raise GenerationFailed(out_of_memory(device, doing, engine)) from cause


def out_of_memory(device: Any, doing: str, engine: str = "transformers") -> str:
    """Give the line for work that found no memory."""
    peak = device_peak(device)
    if peak is None:
        peak = host_peak()
    so_far = f" after a peak of {peak / 1e9:.2f} GB" if peak is not None else ""
    return (
        f"engine {engine!r}: out of memory on {device} while {doing}{so_far}; take a smaller "
        "batch_size, max_model_len or model, a dtype of fewer bytes, or quantization"
    )
