"""The example study of the repository: one phantom's scans, genotypes and metadata, each file named after the part it is sent as."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

from training.phantoms.alzheimer import genome
from training.phantoms.alzheimer.nifti import nifti
from training.phantoms.alzheimer.patient import Phantom, draw

ROWS = 150


def write_example(folder: Path, seed: int) -> None:
    """Write mri.nii.gz, pet.nii.gz, genotypes.vcf.gz and metadata.json."""
    folder.mkdir(parents=True, exist_ok=True)
    phantom = _suitable(seed)
    (folder / "mri.nii.gz").write_bytes(nifti(phantom.mri(ROWS), "RAS"))
    (folder / "pet.nii.gz").write_bytes(nifti(phantom.pet(), "LAS"))
    (folder / "genotypes.vcf.gz").write_bytes(genome.vcf(phantom.calls, "phantom"))
    (folder / "metadata.json").write_text(json.dumps(phantom.fields, indent=2) + "\n")


def _suitable(seed: int) -> Phantom:
    """The first phantom of the seed with Alzheimer's disease that is plain to see, a carrier of e4 whose every field is known."""
    for index in itertools.count():
        phantom = draw(seed, index)
        who = phantom.person
        if who.diagnosis == "ad" and who.e4_alleles and who.memory_led and who.severity > 1.9 and len(phantom.fields) == 7:
            return phantom
    raise AssertionError  # the count has no end: this is never reached
