"""Wheels made by the tests: Joulebench as it is here, and stand-ins for packages of others."""

from __future__ import annotations

import base64
import hashlib
import sys
import tomllib
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import joulebench

ROOT = Path(__file__).resolve().parents[2]

_KEPT_OUT = ("joulebench", "__editable__", "_editable", "huggingface_hub", "transformers", "vllm")

_HF = '''
"""Stands in for the hub's own tool: notes how it was called, and makes a model's folder.

It is a careless one: it prints the token that it was given.
"""
import hashlib, json, os, sys, time
from pathlib import Path

def main():
    token = os.environ.get("HF_TOKEN", "")
    words = sys.argv[1:]
    noted = {"words": words, "token": hashlib.sha256(token.encode()).hexdigest() if token else ""}
    with (Path(os.environ["HOME"]) / "hf.jsonl").open("a") as file:
        file.write(json.dumps(noted) + "\\n")
    print("using the token", token)
    time.sleep(0.2)
    name = words[1]
    if name.startswith("gated/"):
        sys.exit(f"403: {name} is gated; {token} may not read it")
    hub = Path(os.environ.get("HF_HUB_CACHE") or Path.home() / ".cache/huggingface/hub")
    folder = hub / ("models--" + name.replace("/", "--"))
    revision = words[words.index("--revision") + 1] if "--revision" in words else "main"
    snapshot = folder / "snapshots" / ("c" * 40)
    snapshot.mkdir(parents=True)
    (snapshot / "model.safetensors").write_text("weights")
    (folder / "refs").mkdir()
    (folder / "refs" / revision).write_text("c" * 40)
'''


def write_wheel(
    folder: Path,
    name: str,
    version: str,
    files: Mapping[str, bytes],
    head: Sequence[str] = (),
    entry_points: str = "",
) -> Path:
    """Write a wheel of pure Python."""
    info = f"{name}-{version}.dist-info"
    metadata = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *head, ""]
    parts = {
        **files,
        f"{info}/METADATA": "\n".join(metadata).encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": entry_points.encode(),
    }
    rows = [f"{path},{_digest(content)},{len(content)}\n" for path, content in parts.items()]
    parts[f"{info}/RECORD"] = "".join([*rows, f"{info}/RECORD,,\n"]).encode()
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in parts.items():
            archive.writestr(path, content)
    return wheel


def _digest(content: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest())
    return f"sha256={digest.decode().rstrip('=')}"


def joulebench_wheel(folder: Path) -> Path:
    """Write a wheel of this checkout, with what it needs and its extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    head = [f"Requires-Dist: {needed}" for needed in project["dependencies"]]
    head += [f"Provides-Extra: {extra}" for extra in extras]
    head += [
        f'Requires-Dist: {needed}; extra == "{extra}"'
        for extra, all_needed in extras.items()
        for needed in all_needed
    ]
    source = ROOT / "src"
    files = {
        str(path.relative_to(source)): path.read_bytes()
        for path in sorted((source / "joulebench").rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }
    points = f"[console_scripts]\njoulebench = {project['scripts']['joulebench']}\n"
    for group, entries in project["entry-points"].items():
        points += f"\n[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in entries.items())
    return write_wheel(folder, "joulebench", joulebench.__version__, files, head, points)


def stand_ins(folder: Path) -> None:
    """Write wheels that stand in for vLLM, for what it needs, and for the hub's own tool."""
    needs = ["Requires-Dist: huggingface_hub", "Requires-Dist: transformers"]
    write_wheel(folder, "vllm", "0.11.0", {"vllm.py": b"# stands in\n"}, needs)
    write_wheel(folder, "transformers", "4.57.0", {"transformers_old.py": b"# stands in\n"})
    points = "[console_scripts]\nhf = hub_stand_in:main\n"
    hub = {"hub_stand_in.py": _HF.encode()}
    write_wheel(folder, "huggingface_hub", "0.36.0", hub, (), points)


def lent_packages(folder: Path) -> Path:
    """Make a folder through which another environment may use the packages of this one."""
    folder.mkdir()
    for place in (Path(path) for path in sys.path if path.endswith("site-packages")):
        for entry in place.iterdir():
            name = entry.name.lower()
            if not name.startswith((*_KEPT_OUT, "pip", "setuptools")) and entry.suffix != ".pth":
                (folder / entry.name).symlink_to(entry)
    return folder


def lending_python(path: Path, lent: Path) -> Path:
    """Write a program that stands in for Python: its environments borrow packages."""
    path.write_text(f"""#!/bin/sh
# Stands in for Python: this one, but an environment that it makes may use packages lent to it.
{sys.executable} "$@" || exit
if [ "$1 $2" = "-m venv" ]; then
  for place in "$3"/lib/python3*/site-packages; do echo {lent} > "$place/lent.pth"; done
fi
""")
    path.chmod(0o755)
    return path
