"""Where is computed: a torch device by its name, or a clear error, and how many threads. Knows nothing of what for."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from gorilla_rag.errors import DeviceMissing, ExtraMissing

if TYPE_CHECKING:
    import torch


def find(name: str) -> torch.device:
    """The torch device of a name such as `cpu`, `cuda`, `cuda:1` or `mps`; it has been used once.

    Raises:
        ExtraMissing: torch isn't installed.
        DeviceMissing: this machine, or this build of torch, doesn't have it.
    """
    try:
        import torch
    except ImportError as error:
        raise ExtraMissing(
            "torch is not installed", hint="install the extra: pip install 'gorilla-rag[gpu]'"
        ) from error
    try:
        torch.zeros(1, device=name).cpu()
    except (RuntimeError, AssertionError) as error:
        reason = str(error).split("\n")[0].split(". ")[0]
        raise DeviceMissing(f"no device {name!r}: {reason}", hint=f"torch finds {', '.join(_there())}") from error
    return torch.device(name)


def threads() -> int:
    """As many as `OMP_NUM_THREADS` says, or one for each core."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    return int(wanted) if wanted.isdecimal() and int(wanted) else os.cpu_count() or 1


def _there() -> list[str]:
    """The devices of this machine that this build of torch can use."""
    import torch

    found = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    numbers = range(torch.accelerator.device_count()) if found else ()
    return ["cpu", *(f"{found.type if found else ''}:{number}" for number in numbers)]
