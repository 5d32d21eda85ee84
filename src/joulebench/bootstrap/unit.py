"""The unit with which systemd runs a testbed."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from joulebench.bootstrap.choices import Choices
from joulebench.bootstrap.surroundings import Surroundings

NAME = "joulebench-testbed.service"

_BINARIES = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
_SECRETS = (".ssh", ".gnupg", ".aws", ".kube", ".netrc", ".git-credentials")
_WRITTEN = (".cache", ".triton", ".nv", ".config/vllm", ".config/matplotlib")
"""Folders in a home to which engines and their compilers write."""

_TEXT = """\
# Written by: joulebench testbed init
[Unit]
Description=Joulebench testbed: runs trials and measures their energy
{after}
[Service]
Type=exec
ExecStart={start}
WorkingDirectory={state}
{environment}
Restart=on-failure
RestartSec=5
# A trial that is stopped has a minute to save what it measured; its children end with it.
KillMode=mixed
TimeoutStopSec=60
# A trial that the kernel ends for its memory is a failed trial, no reason to end the testbed.
OOMPolicy=continue
UMask=0077

# Devices are left open: the drivers of accelerators get their numbers as they are loaded, which a
# list made before would not know (ProtectClock= would close them too). Sensors below /sys and
# /proc stay readable, and /dev/shm is where users tell each other which devices they measure.
NoNewPrivileges=yes
ProtectSystem=strict
ReadWritePaths={writable}
InaccessiblePaths={hidden}
PrivateTmp=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictNamespaces=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
SystemCallArchitectures=native
{only_system}
[Install]
WantedBy={wanted}
"""

_ONLY_SYSTEM = """\
User={account}
CapabilityBoundingSet={capabilities}
AmbientCapabilities={capabilities}
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
"""


def unit_text(choices: Choices, around: Surroundings, *, registers: bool) -> str:
    """Give the unit of a testbed.

    Args:
        choices: What is set up, and where.
        around: Where it is set up.
        registers: Whether EnergiBridge reads the processor's registers for it, which takes a
            capability.
    """
    system = choices.service.scope == "system"
    network = "After=network-online.target\nWants=network-online.target\n" if system else ""
    capabilities = "CAP_SYS_RAWIO" if registers else ""
    account = around.account
    program, *options = serve_words(choices)
    return _TEXT.format(
        after=network,
        start=f"{_quoted([program])} {_quoted(options, dollars=True)}",
        state=_bare(choices.places.state),
        environment="\n".join(_environment(choices, around)),
        writable=_quoted(_writable(choices, around)),
        hidden=_quoted(f"-{around.home / name}" for name in _SECRETS),
        only_system=_ONLY_SYSTEM.format(account=account, capabilities=capabilities)
        if system
        else "",
        wanted="multi-user.target" if system else "default.target",
    )


def serve_words(choices: Choices) -> list[str]:
    """Give the words that start the testbed."""
    places, service = choices.places, choices.service
    return [
        *(str(places.venv / "bin/joulebench"), "testbed", "serve"),
        *("--host", service.host, "--port", str(service.port)),
        *("--token-file", str(places.token_file), "--state", str(places.state)),
        *service.options,
    ]


def _environment(choices: Choices, around: Surroundings) -> list[str]:
    own = (str(choices.places.venv / "bin"), str(around.home / ".cargo/bin"))
    variables = {
        "PATH": ":".join((*own, *_BINARIES)),
        "HF_HOME": str(choices.places.hub),
        "HF_HUB_CACHE": str(choices.places.cache),
    }
    lines = [f"Environment={_quoted([f'{key}={value}'])}" for key, value in variables.items()]
    return [*lines, *_loads_driver(choices)]


def _loads_driver(choices: Choices) -> list[str]:
    """Make the device files that CUDA otherwise makes by a program with root's rights."""
    program = shutil.which("nvidia-modprobe") if choices.service.scope == "system" else None
    return [f"ExecStartPre=-+{_quoted([program])} -c0 -u"] if program else []


def _writable(choices: Choices, around: Surroundings) -> list[str]:
    places = choices.places
    wanted = [f"-{around.home / name}" for name in _WRITTEN]
    return [str(places.state), f"-{places.hub}", f"-{places.cache}", *wanted]


def _quoted(words: Iterable[str], *, dollars: bool = False) -> str:
    """Quote words as systemd reads them.

    Args:
        words: The words.
        dollars: Whether a dollar sign would be read as a variable.
    """
    return " ".join(_word(word, dollars=dollars) for word in words)


def _word(word: str, *, dollars: bool = False) -> str:
    text = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    text = text.replace("$", "$$") if dollars else text
    plain: Sequence[str] = [c for c in text if not (c.isalnum() or c in "/._-=:+@%,")]
    return f'"{text}"' if plain else text


def _bare(path: Path) -> str:
    """Write a path where systemd reads one to the end of the line, unquoted."""
    return str(path).replace("%", "%%")
