"""The weights of a model as they are stored: how many bytes, and every page of them read."""

from __future__ import annotations

import itertools
import mmap
from collections.abc import Iterator
from typing import Any


def stored(model: Any) -> Iterator[Any]:
    """Give the plain tensors that a model's weights are stored in, those of a tied weight once.

    A quantised weight is several: its numbers in few bits, their scales, their zero points.
    """
    for weight in itertools.chain(model.parameters(), model.buffers()):
        yield from _plain(weight.detach())
        yield from _of_bitsandbytes(weight)


def _plain(tensor: Any) -> Iterator[Any]:
    """Give a tensor, or those that one of several parts is made of."""
    import torch

    flatten = getattr(tensor, "__tensor_flatten__", None)
    if flatten is None:
        yield tensor.as_subclass(torch.Tensor)
        return
    for name in flatten()[0]:
        yield from _plain(getattr(tensor, name))


def _of_bitsandbytes(weight: Any) -> Iterator[Any]:
    """Give the scales that bitsandbytes keeps beside a weight."""
    import torch

    state = getattr(weight, "quant_state", None)
    nested = getattr(state, "state2", None)
    scales = (
        getattr(weight, "SCB", None),
        getattr(state, "absmax", None),
        getattr(state, "code", None),
        getattr(nested, "absmax", None),
        getattr(nested, "code", None),
    )
    yield from (scale for scale in scales if isinstance(scale, torch.Tensor))


def weight_bytes(model: Any) -> int:
    """Give the bytes of a model's weights as they are stored."""
    return sum(tensor.nbytes for tensor in stored(model))


def touch_weights(model: Any) -> int:
    """Read one byte in every page of every weight, since files are mapped and read lazily.

    Returns:
        Number of bytes of the weights whose pages are now in memory.
    """
    import torch

    touched = 0
    for data in stored(model):
        if data.dim() > 0 and data.numel() > 0 and data.is_contiguous():
            bytes_ = data.view(torch.uint8).flatten()
            # The last byte as well: a weight need not begin at the edge of a page.
            (bytes_[:: mmap.PAGESIZE].sum() + bytes_[-1]).item()
            touched += data.nbytes
    return touched
