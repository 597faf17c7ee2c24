"""PLINK's text export of one person (--recode A, or plink2 --export A) -> calls at the variants of a panel.

A column counts the copies of one allele of one variant, which its name has to place: ``19:45411941:T:C_C`` or ``19_45411941_C``. Its
names have no strand, so a strand-ambiguous variant is called only where the name states both alleles.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from models.errors import UnreadableGenotypesError, UnsuitableGenotypesError
from models.genotypes.calls import AMBIGUOUS, MISMATCH, NO_CALL, Call, Calls, is_ambiguous, no_call
from models.spec import Panel, Variant

COLUMNS = [b"FID", b"IID", b"PAT", b"MAT", b"SEX", b"PHENOTYPE"]
COLUMN = re.compile(rb"(?:chr)?(\d{1,2})[:_](\d{1,10})(?:[:_]([ACGT])[:_]([ACGT]))?_([ACGT])(?:\(/[ACGT,]+\))?")
COPIES = {b"0": 0, b"1": 1, b"2": 2, b"NA": None}
NAMES = "Name the variants by their place before exporting: plink2 --set-all-var-ids @:#:$r:$a --export A."


def is_raw(beginning: bytes) -> bool:
    """Whether a text begins like a .raw file."""
    return beginning.split()[:2] == COLUMNS[:2]


def raw_calls(lines: Iterator[bytes], panel: Panel) -> Calls:
    """Read the calls.

    Raises UnsuitableGenotypesError for nobody, several people, or names that place nothing; UnreadableGenotypesError for what is no .raw.
    """
    header = next(lines).split()
    people = [line.split() for line in (next(lines, b""), next(lines, b""), next(lines, b"")) if line.strip()]
    if header[: len(COLUMNS)] != COLUMNS:
        raise UnreadableGenotypesError("The header line of the .raw file does not name its columns.")
    if len(people) != 1:
        raise UnsuitableGenotypesError("The .raw file does not hold exactly one person.", hint="Export one person: --keep.")
    if len(people[0]) != len(header):
        raise UnreadableGenotypesError("The lines of the .raw file have different numbers of fields.")
    calls = Calls("PLINK .raw", panel)
    columns = zip(map(COLUMN.fullmatch, header[len(COLUMNS) :]), people[0][len(COLUMNS) :], strict=True)
    placed = [(match, value) for match, value in columns if match]
    if not placed:
        raise UnsuitableGenotypesError("The columns of the .raw file do not say where their variants lie.", hint=NAMES)
    wanted = _positions(panel)
    for match, value in placed:
        for index in wanted.get((match[1].decode(), int(match[2])), ()):
            calls.add(index, _call(panel.variants[index], match, value))
    return calls


def _positions(panel: Panel) -> dict[tuple[str, int], tuple[int, ...]]:
    """Chromosome and position -> the variants of the panel there."""
    places: dict[tuple[str, int], tuple[int, ...]] = {}
    for index, variant in enumerate(panel.variants):
        place = (variant.chromosome, variant.position)
        places[place] = (*places.get(place, ()), index)
    return places


def _call(variant: Variant, match: re.Match[bytes], value: bytes) -> Call:
    stated = {allele.decode() for allele in match.group(3, 4) if allele}
    counted = match[5].decode()
    alleles = {variant.reference, variant.alternate}
    if counted not in alleles or (stated and stated != alleles):
        return no_call(MISMATCH, informative=False)
    if is_ambiguous(variant) and not stated:
        return no_call(AMBIGUOUS)
    if value not in COPIES:
        raise UnreadableGenotypesError("A call of the .raw file is not 0, 1, 2 or NA.")
    copies = COPIES[value]
    if copies is None:
        return no_call(NO_CALL)
    return Call(copies if counted == variant.alternate else 2 - copies)
