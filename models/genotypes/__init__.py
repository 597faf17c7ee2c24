"""Genotypes: a person's calls at the variants of a panel, out of VCF, PLINK .raw, or the panel's own JSON."""

from models.genotypes.panel import panel_digest
from models.genotypes.reading import GenotypeReading, is_genotypes, read_genotypes

__all__ = ["GenotypeReading", "is_genotypes", "panel_digest", "read_genotypes"]
