"""Genotype files made in memory, and the panel that they are read against."""

import gzip
import struct
import zlib

from models.spec import Genotypes, Panel, Variant

PLACES = [
    ("19", 45411941, "T", "C"), ("19", 45412079, "C", "T"), ("1", 207692049, "A", "G"), ("2", 127892810, "A", "T"),
    ("11", 85868640, "C", "G"),
]  # fmt: skip
PANEL = Panel(name="test-panel", build="GRCh37", variants=tuple(
    Variant(chromosome=chromosome, position=position, reference=reference, alternate=alternate, mode=0)
    for chromosome, position, reference, alternate in PLACES
))  # fmt: skip
PART = Genotypes(name="genotypes", description="", max_missing=0.4)
COLUMNS = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT"]
B37 = "##contig=<ID=1,length=249250621>"
END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")


def record(index, genotype="0/1", **changed):
    """One line about a variant of the panel; by name, the fields that differ."""
    chromosome, position, reference, alternate = PLACES[index]
    fields = {
        "chrom": chromosome, "pos": position, "id": ".", "ref": reference, "alt": alternate, "qual": ".", "filter": "PASS", "info": ".",
        "format": "GT", "sample": genotype,
    } | changed  # fmt: skip
    return "\t".join(map(str, fields.values()))


def vcf(*records, header=(B37,), samples=("person",), version="##fileformat=VCFv4.2", end="\n"):
    """A VCF; without records, with all of the panel as heterozygous."""
    lines = records or [record(index) for index in range(len(PLACES))]
    return end.join([version, *header, "\t".join([*COLUMNS, *samples]), *lines, ""]).encode()


def with_record(index, genotype="0/1", **changed):
    """A VCF in which one record differs."""
    return vcf(*[record(each, **({"genotype": genotype, **changed} if each == index else {})) for each in range(len(PLACES))])


def bgzip(text, block=100):
    """BGZF with blocks that end anywhere."""
    return b"".join(_block(text[start : start + block]) for start in range(0, len(text), block)) + END


def _block(text):
    deflater = zlib.compressobj(6, zlib.DEFLATED, -15)
    deflated = deflater.compress(text) + deflater.flush()
    head = b"\x1f\x8b\x08\x04\0\0\0\0\0\xff\x06\0BC\x02\0" + struct.pack("<H", len(deflated) + 25)
    return head + deflated + struct.pack("<II", zlib.crc32(text), len(text))


def raw(values="1 0 2 1 NA", names=None, people=1, separator=" "):
    """A PLINK .raw file; the columns count the alternate allele of each variant of the panel."""
    names = names or [f"{chromosome}:{position}:{ref}:{alt}_{alt}" for chromosome, position, ref, alt in PLACES]
    header = separator.join(["FID", "IID", "PAT", "MAT", "SEX", "PHENOTYPE", *names])
    line = separator.join(["F1", "I1", "0", "0", "2", "-9", *values.split()])
    return "\n".join([header, *[line] * people, ""]).encode()


def two_members(text):
    """Two gzip files, one behind the other, are one."""
    return gzip.compress(text[:90]) + gzip.compress(text[90:])


FORMS = {"plain": bytes, "gzip": gzip.compress, "bgzip": bgzip, "two members": two_members}
