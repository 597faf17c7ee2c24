"""Which reference build a VCF is on, by what its header says: a position means nothing without it."""

from __future__ import annotations

import re

# Bases of chromosomes 1 to 22 (NCBI assembly reports GCF_000001405.25 and GCF_000001405.26).
LENGTHS = {
    "GRCh37": (
        249250621, 243199373, 198022430, 191154276, 180915260, 171115067, 159138663, 146364022, 141213431, 135534747, 135006516,
        133851895, 115169878, 107349540, 102531392, 90354753, 81195210, 78077248, 59128983, 63025520, 48129895, 51304566,
    ),
    "GRCh38": (
        248956422, 242193529, 198295559, 190214555, 181538259, 170805979, 159345973, 145138636, 138394717, 133797422, 135086622,
        133275309, 114364328, 107043718, 101991189, 90338345, 83257441, 80373285, 58617616, 64444167, 46709983, 50818468,
    ),
}  # fmt: skip
NAMES = {
    "GRCh37": re.compile(rb"grch37|hg19|hs37|\bb37\b", re.IGNORECASE),
    "GRCh38": re.compile(rb"grch38|hg38|hs38|\bb38\b", re.IGNORECASE),
}
CONTIG = re.compile(rb"##contig=<(?:.*,)?ID=(?:chr)?(\d{1,2})[,>]")
LENGTH = re.compile(rb"[<,]length=(\d{1,10})[,>]")


class Builds:
    """The builds that header lines speak for."""

    def __init__(self) -> None:
        self._by_length: set[str] = set()
        self._by_name: set[str] = set()

    def note(self, line: bytes) -> None:
        """Take a header line; only contigs and the reference say anything."""
        if line.startswith(b"##contig="):
            contig, length = CONTIG.match(line), LENGTH.search(line)
            if contig and length and 1 <= int(contig[1]) <= 22:
                self._by_length |= {build for build, lengths in LENGTHS.items() if lengths[int(contig[1]) - 1] == int(length[1])}
        if line.startswith((b"##contig=", b"##reference=", b"##assembly=")):
            self._by_name |= {build for build, name in NAMES.items() if name.search(line)}

    @property
    def stated(self) -> str:
        """The one build that the header states; empty where it states none, or two. Lengths go before names: files are lifted over."""
        known = self._by_length or self._by_name
        return next(iter(known)) if len(known) == 1 else ""
