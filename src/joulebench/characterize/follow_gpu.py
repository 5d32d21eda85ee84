"""A process that multiplies matrices on one GPU while its plan says so.

Run as ``python -m joulebench.characterize.follow_gpu UUID`` or with an index; it needs torch built
for the GPU, and changes no setting of it. An empty name is the first GPU.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from typing import Any

from joulebench.characterize.follow import Work, answer

SIDE = 4096
"""Side of the matrices: large enough to fill any GPU."""

BATCH_S = 1e-3
"""Work that is handed over at once, s: how late the end of a level may be."""

NO_TORCH = "The Python package torch is not installed."
NO_CUDA = "The torch that is installed cannot use this GPU."
INSTALL = "Install torch for this GPU: https://pytorch.org/get-started/locally"


def refuse(what: str) -> int:
    """Say why there is no work to be had."""
    sys.stdout.write(json.dumps({"what": what, "remedy": INSTALL}) + "\n")
    return 2


def products(torch: Any) -> Work:
    """Prepare matrix products on the current device, warmed up; gives the work."""
    wide = torch.cuda.is_bf16_supported()
    kind = torch.bfloat16 if wide else torch.float16
    a = torch.randn(SIDE, SIDE, device="cuda").to(kind)
    out = torch.empty_like(a)
    count = _count(torch, a, out)

    def work(until_s: float) -> None:
        while time.monotonic() < until_s - BATCH_S:
            for _ in range(count):
                torch.mm(a, a, out=out)
            torch.cuda.synchronize()
        while time.monotonic() < until_s:
            pass

    return work


def _count(torch: Any, a: Any, out: Any) -> int:
    """Give how many products take about the time of a batch."""
    took_s = 0.0
    for _ in range(3):
        start_s = time.monotonic()
        for _ in range(8):
            torch.mm(a, a, out=out)
        torch.cuda.synchronize()
        took_s = (time.monotonic() - start_s) / 8
    return max(1, round(BATCH_S / took_s))


def main(argv: Sequence[str]) -> int:
    """Work on the GPU that is named, as planned."""
    if argv and argv[0]:
        os.environ["CUDA_VISIBLE_DEVICES"] = argv[0]
    try:
        import torch
    except ImportError:
        return refuse(NO_TORCH)
    if not torch.cuda.is_available():
        return refuse(NO_CUDA)
    answer(products(torch))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
