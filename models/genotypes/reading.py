"""A genotype file and a panel -> the network's tensor, or the reason why the calls cannot be trusted."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.errors import (
    MissingGenotypesError,
    StudyError,
    UnreadableGenotypesError,
    UnsuitableGenotypesError,
    UnsupportedFormatError,
)
from models.genotypes.calls import ABSENT, MISMATCH, Calls
from models.genotypes.lines import GZIP, beginning_of, lines_of
from models.genotypes.panel import json_calls, panel_digest
from models.genotypes.plink import is_raw, raw_calls
from models.genotypes.vcf import SIGNATURE, vcf_calls
from models.prediction import Quality, UsedGenotypes
from models.spec import Genotypes, Panel

MISMATCHES, MISMATCH_SHARE = 3, 0.1  # of the positions that were found: more is another build, or another panel
EVERY_VARIANT = "Send a call at every variant of the panel, homozygous reference included; GET /models/{model}/panel lists them."
CONVERT = "Send VCF 4 (.vcf, .vcf.gz), PLINK .raw (--export A), or the panel's JSON. Convert BCF with bcftools, .bed with plink2."
ANOTHER_BUILD = "Lift the calls over to the panel's reference build, or call them on it."


@dataclass(frozen=True, eq=False)
class GenotypeReading:
    """Copies of the alternate allele at each variant of the panel (V,), -1 where not called; where they came from; what is to be said."""

    tensor: NDArray[np.float32]
    used: UsedGenotypes
    quality: tuple[Quality, ...]


def is_genotypes(data: bytes) -> bool:
    """Whether the bytes are genotypes in one of the formats that are read."""
    beginning = beginning_of(data)
    return beginning.startswith(SIGNATURE) or is_raw(beginning) or beginning.lstrip().startswith(b"{")


def read_genotypes(data: bytes, panel: Panel, part: Genotypes) -> GenotypeReading:
    """Read one person's calls at the variants of a panel.

    Raises
    ------
    MissingGenotypesError, UnsupportedFormatError, TooLargeError
        The file is empty, of another format, or over a limit.
    UnreadableGenotypesError
        The file is broken, or contradicts itself.
    UnsuitableGenotypesError
        It holds another build, other alleles, several people, another panel, or too few of the panel's variants.
    """
    try:
        calls = _calls(data, panel)
    except StudyError:
        raise
    except Exception:  # noqa: BLE001 - whatever a broken file makes a parser throw may quote it
        raise UnreadableGenotypesError("The genotype file cannot be read.") from None
    _check(calls, part)
    tensor = calls.tensor
    called = int((tensor >= 0).sum())
    used = UsedGenotypes(part.name, hashlib.sha256(data).hexdigest(), calls.kind, panel.name, panel_digest(panel), called, len(tensor))
    return GenotypeReading(tensor, used, (_completeness(calls), _build(calls)))


def _calls(data: bytes, panel: Panel) -> Calls:
    if not data:
        raise MissingGenotypesError("The genotype file is empty.")
    beginning = beginning_of(data)
    if beginning.startswith(SIGNATURE):
        return vcf_calls(lines_of(data), panel)
    if is_raw(beginning):
        return raw_calls(lines_of(data), panel)
    if beginning.lstrip().startswith(b"{") and not data.startswith(GZIP):
        return json_calls(data, panel)
    raise UnsupportedFormatError("The file holds no genotypes in a format that is read.", hint=CONVERT)


def _check(calls: Calls, part: Genotypes) -> None:
    """What makes the calls as a whole unusable, the most telling first."""
    panel, reasons = calls.panel, calls.reasons
    if calls.build not in {"", panel.build}:
        raise UnsuitableGenotypesError(f"The variants are placed on {calls.build}, the panel is on {panel.build}.", hint=ANOTHER_BUILD)
    other = reasons[MISMATCH]
    if other >= MISMATCHES and other > MISMATCH_SHARE * len(calls.found):
        raise UnsuitableGenotypesError(
            f"At {other} of {len(calls.found)} positions of the panel the file has other alleles: it is of another build or strand.",
            hint=ANOTHER_BUILD,
        )
    missing = reasons.total()
    if missing > part.max_missing * len(panel.variants):
        raise UnsuitableGenotypesError(
            f"{missing} of {len(panel.variants)} variants of the panel are not called, more than {part.max_missing:.0%}: {_told(calls)}.",
            hint=EVERY_VARIANT,
        )


def _told(calls: Calls) -> str:
    return ", ".join(f"{count} {why}" for why, count in sorted(calls.reasons.items(), key=lambda item: (item[0] != ABSENT, item)))


def _completeness(calls: Calls) -> Quality:
    missing, total = calls.reasons.total(), len(calls.panel.variants)
    detail = f"{total - missing} of {total} variants of the panel are called ({calls.kind})" + (f"; {_told(calls)}" if missing else "")
    return Quality("genotypes_called", passed=missing == 0, detail=detail)


def _build(calls: Calls) -> Quality:
    if calls.build:
        return Quality("genotype_build", passed=True, detail=f"the file is on {calls.build}, as the panel is")
    agree = sum(call.why != MISMATCH for call in calls.found.values())
    detail = f"the file does not state its reference build; its alleles are the panel's at {agree} of {len(calls.found)} positions"
    return Quality("genotype_build", passed=False, detail=detail)
