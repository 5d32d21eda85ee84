"""Stands in for a Redfish service: documents in the form of the schemas, over real HTTP.

The documents are cut down from DMTF's public mockups; no machine is behind them.
"""

from __future__ import annotations

import base64
import json
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

USER, PASSWORD = "watcher", "stand-in"
SESSIONS = "/redfish/v1/SessionService/Sessions"
METRICS = "/redfish/v1/Chassis/1U/EnvironmentMetrics"
POWER = "/redfish/v1/Chassis/1U/Power"
SENSOR = "/redfish/v1/Chassis/1U/Sensors/TotalPower"
OUTLET = "/redfish/v1/PowerEquipment/RackPDUs/1/Outlets/A1"


def chassis(
    *names: str, links: tuple[str, ...] = ("EnvironmentMetrics", "Power")
) -> dict[str, Any]:
    """Make a service's root, its collection of chassis and each of them."""
    base = "/redfish/v1/Chassis"
    documents: dict[str, Any] = {
        "/redfish/v1/": {
            "@odata.type": "#ServiceRoot.v1_15_0.ServiceRoot", "Id": "RootService",
            "RedfishVersion": "1.15.0", "Chassis": {"@odata.id": base},
        },
        base: {
            "@odata.type": "#ChassisCollection.ChassisCollection",
            "Members": [{"@odata.id": f"{base}/{name}"} for name in names],
            "Members@odata.count": len(names),
        },
    }  # fmt: skip
    for name in names:
        documents[f"{base}/{name}"] = {
            "@odata.type": "#Chassis.v1_23_0.Chassis", "Id": name, "ChassisType": "RackMount",
            **{link: {"@odata.id": f"{base}/{name}/{link}"} for link in links},
        }  # fmt: skip
    return documents


def metrics(watts: float | None, kwh: float | None = None) -> dict[str, Any]:
    """Make a chassis' EnvironmentMetrics."""
    document: dict[str, Any] = {
        "@odata.type": "#EnvironmentMetrics.v1_3_1.EnvironmentMetrics",
        "Id": "EnvironmentMetrics",
        "Name": "Chassis Environment Metrics",
        "PowerWatts": {"DataSourceUri": SENSOR, "Reading": watts},
        "TemperatureCelsius": {"Reading": 39},
    }
    return document | ({"EnergykWh": {"Reading": kwh}} if kwh is not None else {})


def power(watts: float | None, *more: str) -> dict[str, Any]:
    """Make a chassis' Power, as services had it before EnvironmentMetrics."""
    controls = [{"MemberId": "0", "Name": "System Input Power", "PowerConsumedWatts": watts,
                 "PowerMetrics": {"IntervalInMin": 1, "AverageConsumedWatts": 340}}]  # fmt: skip
    controls += [{"MemberId": "1", "Name": name, "PowerConsumedWatts": 9} for name in more]
    return {"@odata.type": "#Power.v1_7_1.Power", "Id": "Power", "PowerControl": controls}


def outlet(watts: float) -> dict[str, Any]:
    """Make an outlet of a power strip."""
    return {
        "@odata.type": "#Outlet.v1_4_5.Outlet", "Id": "A1", "Name": "Outlet A1",
        "PowerState": "On", "PowerWatts": {"Reading": watts}, "EnergykWh": {"Reading": 36166.2},
    }  # fmt: skip


class RedfishStandIn:
    """Serves documents on a loopback port.

    Args:
        documents: By path; may be changed while it runs, and may be a function.
        locked: Ask for the user and the password, or a session.
        certificate: Files of certificate and key: HTTPS.
    """

    def __init__(
        self,
        documents: dict[str, Any],
        *,
        locked: bool = False,
        certificate: tuple[str, str] | None = None,
    ) -> None:
        self.documents = documents
        self.locked = locked
        self.delay_s = 0.0
        self.sessions: set[str] = set()
        self.asked: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        scheme = "http"
        if certificate:
            scheme, context = "https", ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"{scheme}://localhost:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def _allowed(self, headers: Any) -> bool:
        word = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        basic = headers.get("Authorization") == f"Basic {word}"
        return not self.locked or basic or headers.get("X-Auth-Token") in self.sessions

    def answer(
        self, method: str, path: str, headers: Any, body: bytes
    ) -> tuple[int, dict[str, str], Any]:
        """Give status, headers and document."""
        self.asked.append(f"{method} {path}")
        time.sleep(self.delay_s)
        if method == "POST" and path == SESSIONS:
            if json.loads(body) != {"UserName": USER, "Password": PASSWORD}:
                return 401, {}, {"error": {"message": "wrong"}}
            token = f"token{len(self.asked)}"
            self.sessions.add(token)
            return 201, {"X-Auth-Token": token, "Location": f"{SESSIONS}/{token}"}, {"Id": token}
        if not self._allowed(headers) and path != "/redfish/v1/":
            return 401, {}, {"error": {"message": "no"}}
        if method == "DELETE":
            self.sessions.discard(path.rpartition("/")[2])
            return 204, {}, None
        document = self.documents.get(path)
        if document is None:
            return 404, {}, {"error": {"message": f"There is no {path}."}}
        return 200, {}, document() if callable(document) else document

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _serve(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                status, headers, document = stand_in.answer(
                    self.command, self.path, self.headers, body
                )
                content = b"" if document is None else json.dumps(document).encode()
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def do_GET(self) -> None:
                self._serve()

            def do_POST(self) -> None:
                self._serve()

            def do_DELETE(self) -> None:
                self._serve()

            def log_message(self, *args: object) -> None:
                pass

        return Handler

    def close(self) -> None:
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()
