"""VCF 4 with one sample -> calls at the variants of a panel. Only lines at the panel's positions are taken apart.

Alleles are those of the forward strand, as VCF has them. A position that the file does not mention is not called, never homozygous
for the reference: a file of variants alone looks the same whether a place was read or not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from models.errors import UnreadableGenotypesError, UnsuitableGenotypesError, UnsupportedFormatError
from models.genotypes.builds import Builds
from models.genotypes.calls import FILTERED, MISMATCH, NO_CALL, Call, Calls, copies_of, no_call
from models.spec import Panel, Variant

SIGNATURE = b"##fileformat=VCF"
VERSION = re.compile(rb"##fileformat=VCFv4\.\d+")
COLUMNS = [b"#CHROM", b"POS", b"ID", b"REF", b"ALT", b"QUAL", b"FILTER", b"INFO", b"FORMAT"]
GENOTYPE = re.compile(rb"[/|]?(\.|\d{1,4})[/|](\.|\d{1,4})")  # VCF 4.5 1.6.2: two alleles, phased or not
PASSED = {b"PASS", b".", b""}
ONE_SAMPLE = "Send one person's calls: bcftools view -s SAMPLE -Oz."
OTHER = ""  # an allele that is no single base at this place: a deletion, *, <NON_REF>


def vcf_calls(lines: Iterator[bytes], panel: Panel) -> Calls:
    """Read the calls.

    Raises UnsupportedFormatError for another version; UnsuitableGenotypesError for no sample or several; UnreadableGenotypesError for
    lines that are no VCF.
    """
    if not VERSION.fullmatch(next(lines)):
        raise UnsupportedFormatError("The VCF is not of version 4.")
    calls, builds = Calls("VCF", panel), Builds()
    for line in lines:
        if not line.startswith(b"##"):
            _check_columns(line)
            break
        builds.note(line)
    else:
        raise UnreadableGenotypesError("The VCF has no header line.")
    calls.build = builds.stated
    wanted = _positions(panel)
    for line in lines:
        for index in wanted.get(line[: _second_tab(line)], ()):
            calls.add(index, _call(panel.variants[index], line.split(b"\t")))
    return calls


def _positions(panel: Panel) -> dict[bytes, tuple[int, ...]]:
    """``chromosome, tab, position`` as a line begins, with and without chr -> the variants of the panel at that position."""
    places: dict[bytes, tuple[int, ...]] = {}
    for index, variant in enumerate(panel.variants):
        for prefix in ("", "chr"):
            place = f"{prefix}{variant.chromosome}\t{variant.position}".encode()
            places[place] = (*places.get(place, ()), index)
    return places


def _second_tab(line: bytes) -> int:
    second = line.find(b"\t", line.find(b"\t") + 1)
    if second < 0:
        raise UnreadableGenotypesError("A line of the VCF has fewer fields than its header.")
    return second


def _check_columns(line: bytes) -> None:
    columns = line.split(b"\t")
    if columns[:8] != COLUMNS[:8] or columns[8:9] not in ([], COLUMNS[8:]):
        raise UnreadableGenotypesError("The header line of the VCF does not name its columns.")
    samples = max(0, len(columns) - len(COLUMNS))
    if samples != 1:
        raise UnsuitableGenotypesError(f"The VCF holds {samples} samples, not one.", hint=ONE_SAMPLE)


def _call(variant: Variant, fields: list[bytes]) -> Call:
    if len(fields) != len(COLUMNS) + 1:
        raise UnreadableGenotypesError("A line of the VCF has not as many fields as its header.")
    reference, alternates, passed = fields[3], fields[4], fields[6]
    alleles = [reference, *(alternates.split(b",") if alternates != b"." else [])]
    bases = [_base(allele, reference) for allele in alleles]
    swapped = bases[0] == variant.alternate and variant.reference in (bases[1:] or [variant.reference])
    if bases[0] != variant.reference and not swapped:
        return no_call(MISMATCH, informative=False)
    informative = swapped or variant.alternate in bases[1:]
    if passed not in PASSED:
        return no_call(FILTERED, informative=informative)
    chosen = _chosen(fields[8], fields[9])
    if chosen is None:
        return no_call(NO_CALL, informative=informative)
    if max(chosen) >= len(bases):
        raise UnreadableGenotypesError("A genotype of the VCF names an allele that its line does not have.")
    call = copies_of(variant, [bases[number] for number in chosen], swapped=swapped)
    return Call(call.copies, call.why, informative)


def _base(allele: bytes, reference: bytes) -> str:
    """The base at the position: alleles that are written longer, beside a deletion, differ in it alone."""
    if len(allele) != len(reference) or allele[1:].upper() != reference[1:].upper() or not allele[:1].isalpha():
        return OTHER
    return allele[:1].decode("ascii", "replace").upper()


def _chosen(keys: bytes, values: bytes) -> tuple[int, int] | None:
    """The numbers of the two alleles; None where one of them, or the genotype, is missing, and for anything but two."""
    named = dict(zip(keys.split(b":"), values.split(b":"), strict=False))
    match = GENOTYPE.fullmatch(named.get(b"GT", b"."))
    if match is None or b"." in match.groups():
        return None
    return int(match[1]), int(match[2])
