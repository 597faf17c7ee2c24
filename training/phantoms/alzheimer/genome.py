"""An invented panel of variants, and people's calls at them: APOE where it is, everything else made up.

Variants stand in blocks that are inherited together, as in a genome. Two of them are those that define APOE e2, e3 and e4, at their true
positions on GRCh37; some blocks bear on the diagnosis a little, most do not. Positions and alleles other than APOE's mean nothing.
"""

from __future__ import annotations

import gzip
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from models.spec import Panel, Variant
from training.phantoms.alzheimer.person import CLASSES

Calls = NDArray[np.int8]

BUILD, NAME = "GRCh37", "chiasm-phantom-panel-1"
BLOCKS, IN_BLOCK = 46, 9
BLOCK_BASES = 20_000
CAUSAL = 14  # blocks that bear on the diagnosis
PANEL_SEED = 20250709
E4 = Variant(chromosome="19", position=45411941, reference="T", alternate="C", mode=0)  # rs429358: C makes e4
E2 = Variant(chromosome="19", position=45412079, reference="C", alternate="T", mode=0)  # rs7412: T makes e2
E4_FREQUENCY = {"cn": 0.14, "mci": 0.24, "ad": 0.38}
E2_FREQUENCY = {"cn": 0.09, "mci": 0.06, "ad": 0.03}
SHIFT = 0.22  # of the hidden liability of a causal block, for each step of the diagnosis
SHARED, OWN = 0.75, 0.66  # of a variant's liability: its block's, and its own
UNCALLED = 0.006
PAIRS = (("A", "G"), ("G", "A"), ("C", "T"), ("T", "C"), ("A", "C"), ("C", "A"), ("G", "T"), ("T", "G"))  # none is its own complement
# Bases of the chromosomes that the panel touches (GRCh37); the VCF's header states them.
LENGTHS = {"1": 249250621, "2": 243199373, "6": 171115067, "7": 159138663, "8": 146364022, "11": 135006516, "14": 107349540, "19": 59128983}
GENOTYPES = {-1: "./.", 0: "0/0", 1: "0/1", 2: "1/1"}


@lru_cache(maxsize=1)
def panel() -> Panel:
    """The panel, in the order of chromosome and position; the same for every seed."""
    return Panel(name=NAME, build=BUILD, variants=tuple(variant for variant, _ in placed()))


def calls(rng: np.random.Generator, diagnosis: str) -> Calls:
    """One person's copies of the alternate allele at each variant of the panel (V,), -1 where the laboratory made no call."""
    step = CLASSES.index(diagnosis)
    found = _haplotype(rng, step) + _haplotype(rng, step)
    found[rng.random(len(found)) < UNCALLED] = -1
    alleles = rng.choice(3, 2, p=_apoe_frequencies(diagnosis))  # an allele is e4, e2 or e3, never two of them
    for number, variant in enumerate((E4, E2)):
        found[panel().variants.index(variant)] = (alleles == number).sum()
    return found


def e4_alleles(found: Calls) -> int:
    """How many copies of APOE e4 a person's calls have."""
    return int(found[panel().variants.index(E4)])


def vcf(found: Calls, person: str) -> bytes:
    """Calls as a VCF of one person, gzipped; the same bytes for the same calls."""
    lines = ["##fileformat=VCFv4.2", "##source=chiasm phantom", f"##reference={BUILD}"]
    lines += [f"##contig=<ID={name},length={length},assembly=b37>" for name, length in LENGTHS.items()]
    lines += ['##FILTER=<ID=PASS,Description="All filters passed">', '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">']
    lines.append("\t".join(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", person]))
    for variant, copies in zip(panel().variants, found.tolist(), strict=True):
        place = [variant.chromosome, str(variant.position), ".", variant.reference, variant.alternate]
        lines.append("\t".join([*place, ".", "PASS", ".", "GT", GENOTYPES[copies]]))
    return gzip.compress(("\n".join(lines) + "\n").encode(), mtime=0)


@lru_cache(maxsize=1)
def placed() -> tuple[tuple[Variant, int], ...]:
    """Every variant and its block, in the order of the genome; APOE's two belong to none (-1)."""
    rng = np.random.default_rng(PANEL_SEED)
    placed = [(E4, -1), (E2, -1)]
    for block in range(BLOCKS):
        chromosome = list(LENGTHS)[block % len(LENGTHS)]
        start = int(rng.integers(1_000_000, LENGTHS[chromosome] - 2_000_000))
        for offset in np.sort(rng.choice(BLOCK_BASES, IN_BLOCK, replace=False)).tolist():
            reference, alternate = PAIRS[int(rng.integers(len(PAIRS)))]
            variant = Variant(chromosome=chromosome, position=start + offset, reference=reference, alternate=alternate, mode=0)
            placed.append((variant, block))
    return tuple(sorted(placed, key=lambda each: (int(each[0].chromosome), each[0].position)))


@lru_cache(maxsize=1)
def causal_blocks() -> NDArray[np.bool_]:
    """Which blocks bear on the diagnosis."""
    causal = np.zeros(BLOCKS, np.bool_)
    causal[np.random.default_rng([PANEL_SEED, 1]).choice(BLOCKS, CAUSAL, replace=False)] = True
    return causal


def _haplotype(rng: np.random.Generator, step: int) -> Calls:
    """One chromosome's alleles (V,): in each block they follow one hidden number, and one of their own."""
    blocks = np.array([block for _, block in placed()])
    thresholds = np.random.default_rng([PANEL_SEED, 2]).uniform(-0.9, 1.2, len(blocks))
    hidden = rng.normal(0, 1, BLOCKS) + SHIFT * step * causal_blocks()
    liability = SHARED * hidden[blocks] + OWN * rng.normal(0, 1, len(blocks))
    carried: Calls = ((liability > thresholds) & (blocks >= 0)).astype(np.int8)
    return carried


def _apoe_frequencies(diagnosis: str) -> tuple[float, float, float]:
    e4, e2 = E4_FREQUENCY[diagnosis], E2_FREQUENCY[diagnosis]
    return e4, e2, 1 - e4 - e2
