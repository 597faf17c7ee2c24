"""One phantom: a person, their genome and their two scans; determined by (seed, index) alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.phantoms.alzheimer import genome, person, scan
from training.phantoms.alzheimer.brain import BACK, FRONT, REACH, Shape

FINEST_MM = 1.4  # between voxels of the MRI's plane
HEIGHT_MM = 230.0  # that the MRI's plane has
SITE = 900  # and above: no site of ADNI has such a number


@dataclass(frozen=True)
class Phantom:
    """A synthetic patient with planted truth."""

    seed: int
    index: int
    person: person.Person
    calls: genome.Calls
    fields: dict[str, float | str]  # what the tables know: the model's metadata fields
    shape: Shape
    mri_pose: scan.Pose
    pet_pose: scan.Pose

    @property
    def patient_id(self) -> str:
        """Of ADNI's form, with a site that it does not have, which is the seed's."""
        return f"{SITE + self.seed % 100:03d}_S_{self.index + 1:05d}"

    def mri(self, rows: int, beside: float = scan.SPACING["mri"]) -> scan.Scan:
        """The T1-weighted scan with about `rows` rows in its sagittal planes."""
        spacing = max(FINEST_MM, HEIGHT_MM / rows)
        return scan.mri_scan(self.shape, self.mri_pose, stream(self.seed, self.index, 4), spacing, beside)

    def pet(self) -> scan.Scan:
        """The FDG scan."""
        return scan.pet_scan(self.shape, self.person, self.pet_pose, stream(self.seed, self.index, 5))

    def truth(self) -> dict[str, str | float]:
        """What was planted, and where its middle lies in the patient (mm in DICOM's axes: y to the back, z to the head)."""
        who = self.person
        planted: dict[str, str | float] = {
            "diagnosis": who.diagnosis, "severity": who.severity, "memory_led": int(who.memory_led), "e4_alleles": who.e4_alleles,
            "ventricles_mm": who.ventricles,
        }  # fmt: skip
        for name, region, amounts, pose in (
            ("mri", who.mri_region, (who.mri_front, who.mri_back), self.mri_pose),
            ("pet", who.pet_region, (who.pet_front, who.pet_back), self.pet_pose),
        ):
            amount, decoy = amounts if region == "front" else amounts[::-1]
            centre = FRONT if region == "front" else BACK
            y, z = pose.in_patient(centre[0] * self.shape.size[0], centre[1] * self.shape.size[1])
            planted |= {
                f"{name}_region": region, f"{name}_amount": amount, f"{name}_decoy": decoy,
                f"{name}_y_mm": round(y, 2), f"{name}_z_mm": round(z, 2), f"{name}_radius_mm": max(REACH),
            }  # fmt: skip
        return planted


def stream(seed: int, index: int, part: int) -> np.random.Generator:
    """An own generator for each part of each phantom, so that changing one part leaves the others as they were."""
    return np.random.default_rng([seed, index, part])


def draw(seed: int, index: int, *, truth: person.Person | None = None) -> Phantom:
    """Phantom `index` of the cohort of `seed`, not yet scanned; `truth` puts another person into the same head."""
    diagnosis = str(stream(seed, index, 0).choice(person.CLASSES, p=person.SHARES))
    calls = genome.calls(stream(seed, index, 1), diagnosis)
    who = truth or person.person(stream(seed, index, 2), genome.e4_alleles(calls), diagnosis)
    rng = stream(seed, index, 3)
    shape, mri_pose, pet_pose = scan.shape_of(who, rng), scan.pose(rng), scan.pose(rng)
    return Phantom(seed, index, who, calls, person.fields(who, stream(seed, index, 6)), shape, mri_pose, pet_pose)
