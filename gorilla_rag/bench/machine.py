"""What the figures were made on: the device, the processor, and the versions of what computes."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

_PACKAGES = (
    *("gorilla-rag", "torch", "transformers", "sentence-transformers", "llguidance", "numpy"),
    *("faiss-cpu", "faiss-gpu", "faiss-gpu-cuvs"),
)


def describe(device: torch.device) -> dict[str, Any]:
    """The device's name and memory, the driver, the processor and its memory, and package versions."""
    return {
        "device": _device(device),
        "driver": _driver() if device.type == "cuda" else None,
        "cuda": torch.version.cuda,
        "processor": {
            "name": processor(),
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        },
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": dict(_versions()),
    }


def processor() -> str:
    """The processor's name, as the system gives it."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())


def _device(device: torch.device) -> dict[str, Any]:
    if device.type != "cuda":
        return {"type": device.type, "name": processor() if device.type == "cpu" else device.type}
    found = torch.cuda.get_device_properties(device)
    return {
        "type": device.type,
        "name": found.name,
        "memory_bytes": found.total_memory,
        "multiprocessors": found.multi_processor_count,
        "capability": f"{found.major}.{found.minor}",
    }


def _driver() -> str | None:
    """The driver's version, where NVIDIA's own tool says it."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return None
    command = [tool, "--query-gpu=driver_version", "--format=csv,noheader"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return done.stdout.strip().split("\n")[0] or None


def _versions() -> Iterator[tuple[str, str | None]]:
    for name in _PACKAGES:
        try:
            yield name, version(name)
        except PackageNotFoundError:
            yield name, None
