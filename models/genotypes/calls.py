"""What a file says at the variants of a panel, and why it says nothing where it does not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.errors import UnreadableGenotypesError
from models.spec import Panel, Variant

Kind = Literal["VCF", "PLINK .raw", "panel JSON"]
NOT_CALLED = -1
ABSENT = "not in the file"
NO_CALL = "no call"
FILTERED = "did not pass the filters"
OTHER_ALLELE = "an allele that the panel does not know"
AMBIGUOUS = "strand-ambiguous, with the alleles the other way round"
MISMATCH = "other alleles than the panel's"
COMPLEMENT = {"A": "T", "C": "G", "G": "C", "T": "A"}


@dataclass(frozen=True)
class Call:
    """Copies of the alternate allele, or NOT_CALLED and why; `informative` where the record is about that allele."""

    copies: int
    why: str = ""
    informative: bool = True


def no_call(why: str, *, informative: bool = True) -> Call:
    """Nothing is known, and why."""
    return Call(NOT_CALLED, why, informative)


def is_ambiguous(variant: Variant) -> bool:
    """Whether its alleles are each other's complement (A and T, C and G): then another strand looks like another allele."""
    return COMPLEMENT.get(variant.reference) == variant.alternate


def copies_of(variant: Variant, alleles: Sequence[str], *, swapped: bool) -> Call:
    """The call that two alleles make, given as bases.

    With `swapped`, the file's reference is the panel's alternate: the same two bases the other way round, unless the bases are
    complementary and it may as well be the other strand.
    """
    if swapped and is_ambiguous(variant):
        return no_call(AMBIGUOUS)
    if any(allele not in {variant.reference, variant.alternate} for allele in alleles):
        return no_call(OTHER_ALLELE)
    return Call(sum(allele == variant.alternate for allele in alleles))


@dataclass
class Calls:
    """The calls of one file, as they are collected; `build` is the reference build that it states, or empty."""

    kind: Kind
    panel: Panel
    build: str = ""
    found: dict[int, Call] = field(default_factory=dict)

    def add(self, index: int, call: Call) -> None:
        """Take a record about a variant, which may stand in several: where it is split by allele, the one about the panel's counts.

        Raises UnreadableGenotypesError for two that contradict each other: it is how files of two people look when they were joined.
        """
        known = self.found.get(index)
        if known is None or (call.informative and not known.informative):
            self.found[index] = call
        elif call.informative == known.informative and NOT_CALLED not in {call.copies, known.copies} and call.copies != known.copies:
            raise UnreadableGenotypesError("A variant stands twice in the genotype file, with different calls.")
        elif call.informative == known.informative and known.copies == NOT_CALLED:
            self.found[index] = call

    @property
    def tensor(self) -> NDArray[np.float32]:
        """Copies of the alternate allele at each variant of the panel (V,), -1 where not called."""
        values = np.full(len(self.panel.variants), NOT_CALLED, np.float32)
        for index, call in self.found.items():
            values[index] = call.copies
        return values

    @property
    def reasons(self) -> Counter[str]:
        """How many variants are not called, by why."""
        reasons = Counter(call.why for call in self.found.values() if call.copies == NOT_CALLED)
        reasons[ABSENT] += len(self.panel.variants) - len(self.found)
        return +reasons
