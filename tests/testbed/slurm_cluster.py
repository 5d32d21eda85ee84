"""A real Slurm on loopback: munged, slurmctld and a slurmd for each node, without accounting."""

from __future__ import annotations

import getpass
import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import psutil

Find = Callable[..., str]

NODES = ("n1", "n2")
"""Of the partitions ``main`` and ``urgent``, which takes from it."""

APART = "n3"
"""Of the partition ``apart``, for what takes long and must not be in the way."""

_CONF = """
ClusterName=joulebench
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={ports[0]}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock
CredType=cred/munge
SlurmUser={user}
SlurmdUser={user}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldPidFile={folder}/slurmctld.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1,sched_min_interval=0
SlurmdParameters=config_overrides
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
ReturnToService=2
KillWait=4
MinJobAge=30
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=1 RealMemory=500
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=1 RealMemory=500
NodeName=n3 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[3]} CPUs=1 RealMemory=500
PartitionName=apart Nodes=n3 MaxTime=INFINITE PriorityTier=1 State=UP
PartitionName=main Nodes=n[1-2] Default=YES MaxTime=INFINITE PriorityTier=1 State=UP
PartitionName=urgent Nodes=n[1-2] MaxTime=INFINITE PriorityTier=10 State=UP
"""


class SlurmCluster:
    """The cluster; everything that it starts is gone when it is left.

    Args:
        folder: Empty; its path has to be short, for the socket in it.
        program: Finds a program, or skips the test.
    """

    def __init__(self, folder: Path, program: Find) -> None:
        self.folder = folder
        self._slurmctld = program("slurmctld", "/usr/sbin/slurmctld")
        self._slurmd = program("slurmd", "/usr/sbin/slurmd")
        self._munged = program("munged", "/usr/sbin/munged")
        for client in ("sbatch", "squeue", "scancel", "scontrol", "sinfo", "srun"):
            program(client)
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def conf(self) -> Path:
        return self.folder / "slurm.conf"

    def __enter__(self) -> SlurmCluster:
        try:
            self._start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def ask(self, *command: str) -> str:
        environment = os.environ | {"SLURM_CONF": str(self.conf)}
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=30, check=True
        ).stdout

    def start_node(self, name: str) -> None:
        words = [self._slurmd, "-D", "-f", str(self.conf), "-N", name]
        self._daemons[name] = self._run(name, words)
        self.wait_for(lambda: self.node_state(name) == "idle", f"node {name}")

    def kill_node(self, name: str) -> None:
        """Take a node away with everything that runs on it, as a power cut does."""
        self._kill(self._daemons.pop(name))
        self._kill_jobs({"SLURMD_NODENAME": name})
        # The controller's own finding, without its patience of minutes.
        self.ask("scontrol", "update", f"NodeName={name}", "State=DOWN", "Reason=power cut")

    def node_state(self, name: str) -> str:
        return self.ask("sinfo", "-h", "-N", "-n", name, "-o", "%t").split()[0]

    def jobs(self, *states: str) -> list[tuple[str, str]]:
        """Id and name of each job in the states, all if none is named."""
        words = ("squeue", "-h", "--array", "-t", ",".join(states) or "all", "-o", "%i %j")
        return [(line.split()[0], line.split()[1]) for line in self.ask(*words).splitlines()]

    def wait_for(self, ready: Callable[[], bool], what: str, within_s: float = 30.0) -> None:
        stop_s = time.monotonic() + within_s
        while not ready():
            if time.monotonic() > stop_s:
                raise TimeoutError(f"waited {within_s:g} s for {what}: {self._logs()}")
            time.sleep(0.1)

    def _start(self) -> None:
        (self.folder / "state").mkdir()
        key = self.folder / "munge.key"
        key.touch(0o600)
        key.write_bytes(secrets.token_bytes(1024))
        self.conf.write_text(
            _CONF.format(
                folder=self.folder,
                user=getpass.getuser(),
                host=socket.gethostname().partition(".")[0],
                ports=_free_ports(4),
            )
        )
        self._daemons["munged"] = self._run("munged", self._munge_words(key))
        self.wait_for((self.folder / "munge.sock").exists, "munged")
        words = [self._slurmctld, "-D", "-c", "-f", str(self.conf)]
        self._daemons["slurmctld"] = self._run("slurmctld", words)
        self.wait_for(self._answers, "slurmctld")
        for name in (*NODES, APART):
            self.start_node(name)

    def _munge_words(self, key: Path) -> list[str]:
        places = {"key-file": key, "socket": self.folder / "munge.sock"}
        places |= {
            f"{kind}-file": self.folder / f"munged.{kind}" for kind in ("pid", "log", "seed")
        }
        return [
            self._munged,
            "--foreground",
            "--force",  # pytest's folders are open to their owner alone
            *(f"--{name}={path}" for name, path in places.items()),
        ]

    def _run(self, name: str, words: list[str]) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.out").open("ab") as out:
            return subprocess.Popen(
                words, stdout=out, stderr=out, stdin=subprocess.DEVNULL, cwd=self.folder
            )

    def _answers(self) -> bool:
        try:
            self.ask("sinfo", "-h")
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
            return False
        return True

    def _end(self) -> None:
        self._kill_jobs({"SLURM_CONF": str(self.conf)})
        for daemon in reversed(self._daemons.values()):
            self._kill(daemon)

    def _kill_jobs(self, having: dict[str, str]) -> None:
        """Kill the processes of this cluster's jobs with such variables, and first who watches."""
        having = having | {"SLURM_CONF": str(self.conf)}
        found: dict[str, list[psutil.Process]] = {}
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                environment = process.environ()
                if "SLURM_JOB_ID" in environment and having.items() <= environment.items():
                    found.setdefault(environment["SLURM_JOB_ID"], []).append(process)
        for process in psutil.process_iter(["cmdline"]):
            words = " ".join(process.info["cmdline"] or [])
            if "slurmstepd" in words and any(f"[{job}." in words for job in found):
                _kill(process)
        for processes in found.values():
            for process in processes:
                _kill(process)

    def _kill(self, daemon: subprocess.Popen[bytes]) -> None:
        daemon.send_signal(signal.SIGKILL)
        daemon.wait(10)

    def _logs(self) -> str:
        names = ("munged.log", "slurmctld.log", "n1.out", "n2.out")
        paths = [self.folder / name for name in names if (self.folder / name).exists()]
        return " | ".join(path.read_text(errors="replace")[-400:] for path in paths)


def _kill(process: psutil.Process) -> None:
    with suppress(psutil.Error):
        process.kill()


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
