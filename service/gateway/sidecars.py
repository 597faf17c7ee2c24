"""What headers do not hold, left in a folder under the accession number: metadata, and for models that read them genotypes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from service.gateway.service import LaterError

T = TypeVar("T")
NAMES = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,15}\Z")  # an SH of 16 characters that can name a file, and no other folder
AGAIN_S = 60.0  # until a file that cannot be read now is read again


@dataclass(frozen=True)
class Beside:
    """What was left for one study."""

    metadata: dict[str, Any] = field(default_factory=dict)
    genotypes: tuple[bytes, ...] = ()


class Sidecars:
    """A folder of ``<accession number>.json`` and ``<accession number>.vcf`` or ``.vcf.gz``; without a folder there is nothing."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def of(self, accession: str) -> Beside:
        """What was left for an accession number.

        Raises
        ------
        LaterError
            A file is there and cannot be read, or its metadata is no JSON object: somebody may be writing it.
        """
        if self._folder is None or not NAMES.match(accession):
            return Beside()
        paths = [path for kind in ("vcf", "vcf.gz") if (path := self._folder / f"{accession}.{kind}").exists()]
        path = self._folder / f"{accession}.json"
        metadata = _read(path, _object) if path.exists() else {}
        return Beside(metadata, tuple(_read(each, bytes) for each in paths))


def _read(path: Path, parse: Callable[[bytes], T]) -> T:
    try:
        return parse(path.read_bytes())
    except (OSError, ValueError) as error:
        raise LaterError(f"a sidecar cannot be read: {type(error).__name__}", AGAIN_S) from None


def _object(data: bytes) -> dict[str, Any]:
    told = json.loads(data)
    if not isinstance(told, dict):
        raise ValueError("no object")  # noqa: TRY004  what is wrong is the file's content
    return told
