"""An ADNI-like cohort on disk: ADNI's tables, scans as the archive unpacks them, genotypes of each subject. docs/cohorts/alzheimer.md.

One row a subject: the MRI and the FDG-PET that lie nearest to each other in time, the visit nearest to them, and the diagnosis on which
everything that states one agrees. Subjects who lack one of the four kinds of data, or whose diagnoses disagree, are left out and counted.
"""

from __future__ import annotations

import csv
import datetime
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from models.alzheimer import CLINICAL, DIAGNOSIS, SPEC
from models.genotypes import panel_digest
from models.spec import Panel, Variant
from training.sources import CohortError, Problem, Row, Survey
from training.sources.adni import IMAGE_ID, IMAGES, SCORES, Cognition, Diagnosis, Image, Tables, gather_tables

SCANS, GENOTYPES, PANEL = "ADNI", "genotypes", "panel.csv"
PANEL_COLUMNS = ("build", "chromosome", "position", "reference", "alternate")
NEEDED = frozenset(field.name.upper() for field in CLINICAL.fields if field.required) & frozenset(SCORES)
GENOTYPE_FORMS = (".vcf.gz", ".vcf", ".raw", ".json")
CLASSES = tuple(each.name for each in DIAGNOSIS.classes)
NEAR_DAYS = 366  # between the scans, and between a scan and a visit: cross-sectional, with room for ADNI's yearly visits
NOT_T1 = re.compile(r"T2|FLAIR|localizer|scout|calibration|DTI|fMRI|ASL|field.?map", re.IGNORECASE)
NOT_FDG = re.compile(r"AV-?45|AV-?1451|PIB|florbeta|flortau|tau|amyloid|FBB|FBP|MK-?6240|NAV", re.IGNORECASE)
BASES = frozenset("ACGT")
BUILDS = ("GRCh37", "GRCh38")
Visit = TypeVar("Visit", Diagnosis, Cognition)

NO_PAIR = f"no MRI and FDG-PET within {NEAR_DAYS} days of each other"
NO_GENOTYPES = "no genotype file"
NO_DIAGNOSIS = f"no diagnosis within {NEAR_DAYS} days of the MRI"
NO_SCORES = f"no scores of memory and executive function within {NEAR_DAYS} days of the MRI"
DISAGREE = "diagnoses disagree"
NO_SEX = "no sex"
NO_AGE = f"no age between {CLINICAL.fields[0].low:g} and {CLINICAL.fields[0].high:g} years"


@dataclass(frozen=True)
class _Subject:
    """Everything the tables say of one subject."""

    name: str
    images: tuple[Image, ...]
    sex: str | None
    education_years: float | None
    diagnoses: tuple[Diagnosis, ...]
    cognition: tuple[Cognition, ...]


def read(folder: Path) -> tuple[Row, ...]:
    """One row for each subject of whom everything is known, in the order of their names.

    Raises
    ------
    CohortError
        With every problem of the tables, every scan that is listed and not on disk, and every sex that two tables contradict.
    """
    return survey(folder).checked()


def excluded(folder: Path) -> Counter[str]:
    """Why subjects are left out, and how many; errors are those of `read`."""
    found = survey(folder)
    found.checked()
    return Counter(found.left_out)


def panel(folder: Path) -> Panel:
    """The variants that the genotype files were called at, in the order of `genotypes/panel.csv`.

    Raises CohortError for a missing table, places and alleles that are none, and variants that stand twice.
    """
    path = folder / GENOTYPES / PANEL
    name = f"{GENOTYPES}/{PANEL}"
    if not path.is_file():
        raise CohortError([Problem(name, 0, "", "is missing; docs/cohorts/alzheimer.md describes the layout")])
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file, restval="")
        absent = [column for column in PANEL_COLUMNS if column not in (reader.fieldnames or ())]
        if absent:
            raise CohortError(Problem(name, 1, column, "column is missing") for column in absent)
        lines = [(reader.line_num, {column: record[column].strip() for column in PANEL_COLUMNS}) for record in reader]
    problems = list(_panel_problems(name, lines))
    if problems:
        raise CohortError(problems)
    variants = tuple(
        Variant(chromosome=each["chromosome"], position=int(each["position"]), reference=each["reference"],
                alternate=each["alternate"], mode=0) for _, each in lines
    )  # fmt: skip
    nameless = Panel(name="", build=lines[0][1]["build"], variants=variants)
    return nameless.model_copy(update={"name": f"panel-{panel_digest(nameless)[7:19]}"})


def _panel_problems(name: str, lines: Sequence[tuple[int, Mapping[str, str]]]) -> Iterator[Problem]:
    if not lines:
        yield Problem(name, 0, "", "has no variants")
    seen: dict[tuple[str, ...], int] = {}
    for number, each in lines:
        if each["build"] not in BUILDS or each["build"] != lines[0][1]["build"]:
            yield Problem(name, number, "build", f"is not one of {' and '.join(BUILDS)}, the same in every line")
        if not (each["chromosome"].isdigit() and 1 <= int(each["chromosome"]) <= 22):
            yield Problem(name, number, "chromosome", "is not 1 to 22: only autosomes are read")
        if not (each["position"].isdigit() and int(each["position"]) > 0):
            yield Problem(name, number, "position", "is not a whole number from 1")
        if not {each["reference"], each["alternate"]} <= BASES or each["reference"] == each["alternate"]:
            yield Problem(name, number, "alternate", "reference and alternate are not two different bases of A, C, G and T")
        key = tuple(each[column] for column in PANEL_COLUMNS[1:])
        if seen.setdefault(key, number) != number:
            yield Problem(name, number, "position", f"the variant already stands in line {seen[key]}")


def survey(folder: Path) -> Survey:
    """Every subject of a cohort with its mistakes: every problem, and a row for each whom the lines without one make whole.

    Who is left out is told only where nothing is wrong: it may be for a line that could not be read.
    """
    tables, problems = gather_tables(folder)
    file, subjects = tables.files.get(IMAGES, ""), _subjects(tables)
    problems += [problem for subject in subjects for problem in _contradictions(file, subject)]
    outcomes: list[Row | str] = []
    for subject in subjects:
        try:
            outcomes.append(_outcome(folder, file, subject))
        except CohortError as error:
            problems += error.problems
    left_out = Counter(each for each in outcomes if isinstance(each, str))
    return Survey(tuple(each for each in outcomes if isinstance(each, Row)), tuple(problems), {} if problems else left_out)


def _subjects(tables: Tables) -> list[_Subject]:
    names = {each.rid: each.subject for each in tables.diagnoses}
    demography = {names[each.rid]: each for each in reversed(tables.demography) if each.rid in names}  # the first line of several
    found = []
    for name in sorted({image.subject for image in tables.images}):
        known = demography.get(name)
        found.append(_Subject(
            name=name,
            images=tuple(image for image in tables.images if image.subject == name),
            sex=known.sex if known else None,
            education_years=known.education_years if known else None,
            diagnoses=tuple(each for each in tables.diagnoses if each.subject == name and each.diagnosis),
            cognition=tuple(each for each in tables.cognition if names.get(each.rid) == name),
        ))  # fmt: skip
    return found


def _contradictions(file: str, subject: _Subject) -> Iterator[Problem]:
    """Two tables that give one subject two sexes: one of them is about somebody else."""
    for image in subject.images:
        if image.sex and subject.sex and image.sex != subject.sex:
            yield Problem(file, image.line, "Sex", "contradicts PTDEMOG")


def _outcome(folder: Path, file: str, subject: _Subject) -> Row | str:
    pair = _nearest_pair(subject.images)
    if pair is None:
        return NO_PAIR
    mri, pet = pair
    genotypes = next((path for form in GENOTYPE_FORMS if (path := folder / GENOTYPES / f"{subject.name}{form}").is_file()), None)
    if genotypes is None:
        return NO_GENOTYPES
    diagnosis, cognition = _nearest(subject.diagnoses, mri.day), _nearest(subject.cognition, mri.day)
    reason = _lacking(subject, mri, diagnosis, cognition)
    if reason or diagnosis is None or cognition is None:
        return reason
    scans = {image.kind or "": _scan(folder, file, image) for image in (mri, pet)}
    return Row(
        patient=subject.name,
        images={**scans, "genotypes": genotypes},
        metadata=_metadata(subject, mri, cognition),
        target={name: float(name == diagnosis.diagnosis) for name in CLASSES},
        strata={"sex": subject.sex or ""},
        group=subject.name,
        place=f"{file}:{mri.line}",
    )


def _lacking(subject: _Subject, mri: Image, diagnosis: Diagnosis | None, cognition: Cognition | None) -> str:
    """The first reason to leave somebody out; empty where there is none."""
    if diagnosis is None:
        return NO_DIAGNOSIS
    if cognition is None or not cognition.scores.keys() >= NEEDED:
        return NO_SCORES
    if len({diagnosis.diagnosis, cognition.diagnosis, mri.group} - {None}) > 1:
        return DISAGREE
    low, high = CLINICAL.fields[0].low or 0, CLINICAL.fields[0].high or 0
    if mri.age_years is None or not low <= mri.age_years <= high:
        return NO_AGE
    return "" if subject.sex else NO_SEX


def _nearest_pair(images: Sequence[Image]) -> tuple[Image, Image] | None:
    """The T1-weighted MRI and the FDG-PET that lie nearest to each other; of equals the earliest."""
    mris = [image for image in images if image.kind == "mri" and not NOT_T1.search(image.description)]
    pets = [image for image in images if image.kind == "pet" and not NOT_FDG.search(image.description)]
    pairs = [(abs((mri.day - pet.day).days), mri.day, mri.identifier, pet.identifier, mri, pet) for mri in mris for pet in pets]
    best = min(pairs, key=lambda pair: pair[:4], default=None)
    return (best[4], best[5]) if best and best[0] <= NEAR_DAYS else None


def _nearest(visits: Sequence[Visit], day: datetime.date) -> Visit | None:
    near = [visit for visit in visits if abs((visit.day - day).days) <= NEAR_DAYS]
    return min(near, key=lambda visit: (abs((visit.day - day).days), visit.day), default=None)


def _metadata(subject: _Subject, mri: Image, cognition: Cognition) -> dict[str, float | str]:
    """The clinical fields of the model; missing ones are left out."""
    known: dict[str, float | str | None] = {
        "age_years": mri.age_years, "sex": subject.sex, "education_years": subject.education_years,
        **{name.lower(): cognition.scores.get(name) for name in SCORES},
    }  # fmt: skip
    return {field.name: value for field in SPEC.table.fields if (value := known[field.name]) is not None}


def _scan(folder: Path, file: str, image: Image) -> Path:
    """The NIfTI file of an image, or the folder of its DICOM series: ADNI/<subject>/<description>/<date>/<image>/."""
    places = sorted((folder / SCANS / image.subject).glob(f"*/*/{image.identifier}"))
    files = [path for place in places for path in sorted(place.iterdir())]
    volumes = [path for path in files if path.name.endswith((".nii", ".nii.gz"))]
    if len(places) != 1 or not files or len(volumes) > 1:
        text = f"its folder ADNI/<subject>/*/*/<image> holds {len(volumes)} NIfTI files and {len(files)} files in {len(places)} places"
        raise CohortError([Problem(file, image.line, IMAGE_ID, text)])
    return volumes[0] if volumes else places[0]
