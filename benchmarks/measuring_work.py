"""A fixed amount of work on two processors, which also keeps both of them busy."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from types import TracebackType

BLOCK = bytes(1 << 16)


class Work:
    """Two processes, each bound to a processor, that do a piece of work when told to.

    Args:
        length_s: About how long one piece takes with nothing else on the machine, s.
    """

    def __init__(self, length_s: float) -> None:
        self._workers = [_worker(cpu) for cpu in two_cpus()]
        self._blocks = 200
        while (took_s := self.do()) < 0.2:
            self._blocks *= 2
        self._blocks = max(int(self._blocks * length_s / took_s), 1)

    def do(self) -> float:
        """Do one piece on both, and give how long it took until both were done, s."""
        start_s = time.perf_counter()
        for worker in self._workers:
            assert worker.stdin is not None
            worker.stdin.write(f"{self._blocks}\n")
            worker.stdin.flush()
        for worker in self._workers:
            assert worker.stdout is not None
            worker.stdout.readline()
        return time.perf_counter() - start_s

    def __enter__(self) -> Work:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for worker in self._workers:
            worker.communicate()


def two_cpus() -> list[int]:
    """Give the first two processors that this process may use; one twice where there is one."""
    cpus = sorted(os.sched_getaffinity(0))
    return [cpus[0], cpus[min(1, len(cpus) - 1)]]


def _worker(cpu: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, __file__, str(cpu)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def main() -> None:
    """Hash as many blocks as each line of the input says."""
    os.sched_setaffinity(0, {int(sys.argv[1])})
    for line in sys.stdin:
        for _ in range(int(line)):
            hashlib.sha256(BLOCK).digest()
        print("done", flush=True)


if __name__ == "__main__":
    main()
