"""What a command runs under: the code, the libraries and the machine. Names no person, no host and no folder."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import shutil
import subprocess
from pathlib import Path

import torch

import models
import training

Facts = dict[str, str | int | bool | None]
LIBRARIES = ("torch", "onnx", "onnxruntime", "numpy")
PACKAGES = tuple(Path(str(package.__file__)).parent for package in (models, training))


def code() -> Facts:
    """The package's version, git's commit and whether models/ or training/ differ from it, and a digest of those two as they are.

    Commit and `dirty` are None where these files are not git's: the digest tells code from other code all the same.
    """
    commit = _git("rev-parse", "HEAD") if _git("ls-files", "--error-unmatch", __file__) else None
    changed = _git("status", "--porcelain", "--", *map(str, PACKAGES)) if commit else None
    return {"version": _version("chiasm"), "commit": commit, "dirty": None if changed is None else bool(changed), "sources": _sources()}


def environment(device: torch.device, threads: int) -> Facts:
    """Python, libraries, processor, and the device with the threads of each network on it."""
    return {
        "python": platform.python_version(),
        **{name: _version(name) for name in LIBRARIES},
        "platform": platform.platform(),
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "device": device.type,
        "threads": threads,
    }


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _sources() -> str:
    digest = hashlib.sha256()
    for root in PACKAGES:
        for source in sorted(root.rglob("*.py")):
            digest.update(f"{root.name}/{source.relative_to(root).as_posix()}\n".encode() + source.read_bytes())
    return f"sha256:{digest.hexdigest()}"


def _git(*words: str) -> str | None:
    """What git says in the folder of this package; None where it is not there or not asked rightly."""
    git = shutil.which("git")
    if git is None:
        return None
    done = subprocess.run([git, *words], cwd=PACKAGES[-1], capture_output=True, text=True, check=False)  # noqa: S603  words of ours
    return done.stdout.strip() if done.returncode == 0 else None


def _cpu_name() -> str:
    """As Linux tells it, or else as Python does."""
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text().splitlines() if facts.exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()
