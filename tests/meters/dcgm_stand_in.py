"""Stands in for the DCGM exporter: its exposition format, with a power that is known.

No GPU is read; what it serves comes from power profiles of the test.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from joulebench.meters.power_profile import PowerProfile

POWER = "DCGM_FI_DEV_POWER_USAGE"
ENERGY = "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION"

_HEAD = {
    POWER: "# HELP {0} Power draw (in W).\n# TYPE {0} gauge\n",
    ENERGY: "# HELP {0} Total energy consumption since boot (in mJ).\n# TYPE {0} counter\n",
}


@dataclass
class StandInGpu:
    """One GPU: its power, and what its labels say."""

    profile: PowerProfile
    number: int = 0
    host: str = "node7"
    boot_s: float = field(default_factory=time.monotonic)
    boot_j: float = 5e5

    @property
    def uuid(self) -> str:
        return f"GPU-{self.number:08x}-c0de-4ace-8bad-00000000feed"

    def lines(self, t_s: float) -> dict[str, str]:
        told = {
            "gpu": self.number,
            "UUID": self.uuid,
            "pci_bus_id": f"00000000:{self.number:02X}:00.0",
            "device": f"nvidia{self.number}",
            "modelName": "NVIDIA H100 80GB HBM3",
            "Hostname": self.host,
            "DCGM_FI_DRIVER_VERSION": "550.90.07",
        }
        labels = "{" + ",".join(f'{name}="{value}"' for name, value in told.items()) + "}"
        energy_mj = (self.boot_j + self.profile.energy_j(self.boot_s, t_s)) * 1e3
        return {
            POWER: f"{POWER}{labels} {self.profile.power_w(t_s):.6f}",
            ENERGY: f"{ENERGY}{labels} {int(energy_mj)}",
        }


class DcgmStandIn:
    """Serves /metrics on a loopback port.

    Args:
        gpus: What is served; may be changed while it runs.
        collect_s: How often the values are read anew, s; 0 at each scrape.
    """

    def __init__(self, gpus: Sequence[StandInGpu], collect_s: float = 0.0, port: int = 0) -> None:
        self.gpus = list(gpus)
        self.collect_s = collect_s
        self._begin_s = time.monotonic()
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = stand_in.exposition(time.monotonic()).encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def exposition(self, t_s: float) -> str:
        if self.collect_s:
            t_s = self._begin_s + (t_s - self._begin_s) // self.collect_s * self.collect_s
        parts = [gpu.lines(t_s) for gpu in self.gpus]
        return "".join(
            head.format(name) + "".join(part[name] + "\n" for part in parts)
            for name, head in _HEAD.items()
        )

    def close(self) -> None:
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()
