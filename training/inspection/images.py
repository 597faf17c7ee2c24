"""Checks of what the files hold: what cannot be read, what is blank, odd or there twice, and what headers say of the patient."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from training.inspection.findings import Evidence, Finding, alternatives, counted

KINDS = {  # code of an error -> kind of finding; whatever else is one of reading
    "unsuitable_image": "unsuitable", "unsuitable_genotypes": "unsuitable", "not_evaluable": "blank", "metadata_conflict": "header",
    "invalid_metadata": "field",
}  # fmt: skip
REMEDIES = {
    "unreadable": "Fetch these files again from the archive, or leave the rows out: training would stop at the first of them.",
    "unsuitable": "Put the right images in their place, or leave the rows out: training would stop at the first of them.",
    "blank": "Replace these images or leave the rows out: there is nothing in them to learn from.",
    "header": "Find out which is right: a contradiction is how swapped patients look.",
    "field": "Correct these rows.",
}
DARK, BRIGHT = 0.97, 0.3  # shares of a picture that are as dark, or as bright, as can be
ALIKE, ODD, MATCH = 0.6, 0.5, 0.5  # correlations with the mean picture: of most pictures, lost by an odd one, of the same one turned
STRANGER = 0.1  # correlation below which even a picture that is not turned is told
FEWEST = 12  # pictures that make a mean
RESERVED = ("header_", "burned_in_annotation")  # checks of the reading that are worth a look
PLACEHOLDER = 0.05  # of all patients: with more under one name, the name is a placeholder


def refusals(evidence: Evidence) -> Iterator[Finding]:
    """Rows that the service would refuse, and training would stop at, by its reason."""
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    for index, seen in enumerate(evidence.seen):
        told = seen.bad_fields or evidence.rows[index].place in evidence.faulty_places
        if seen.refusal and not (told and seen.refusal[0] in ("invalid_metadata", "metadata_conflict")):
            groups[seen.refusal].append(index)
    for (code, words), rows in groups.items():
        kind = KINDS.get(code, "unreadable")
        said = f"{counted(len(rows), 'row')} would be refused: {words.rstrip('.')}."
        places = tuple(_files(evidence, index) for index in rows)
        yield Finding(kind, "fix", said, places, REMEDIES[kind], tuple(rows))


def exposure(evidence: Evidence) -> Iterator[Finding]:
    """Pictures that are almost nothing but the darkest or, to a good part, the brightest value."""
    for name in _inputs(evidence):
        views = [(index, seen.views[name]) for index, seen in enumerate(evidence.seen) if name in seen.views]
        dark = [index for index, view in views if view.dark > DARK]
        bright = [index for index, view in views if view.bright > BRIGHT]
        for rows, words in ((dark, "almost black"), (bright, f"saturated: more than {BRIGHT:.0%} of the picture is as bright as can be")):
            if rows:
                places = tuple(evidence.file(index, name) for index in rows)
                yield Finding("blank", "look", f"{_pictures(evidence, rows, name)} {words}.", places, REMEDIES["blank"], tuple(rows))


def odd_pictures(evidence: Evidence) -> Iterator[Finding]:
    """Pictures that have nothing in common with the mean of all, where the others have; and whether they do when turned."""
    for name in _inputs(evidence):
        views = {index: seen.views[name].tiny for index, seen in enumerate(evidence.seen) if name in seen.views}
        tiny = {index: picture.astype(float) for index, picture in views.items() if picture is not None}
        groups: dict[str, list[int]] = defaultdict(list)
        for index, words in _odd(tiny):
            groups[words].append(index)
        for words, rows in groups.items():
            places = tuple(evidence.file(index, name) for index in rows)
            remedy = "Look at them: another body part, or one that was stored wrongly, teaches the wrong thing."
            yield Finding("odd", "look", f"{_pictures(evidence, rows, name)} {words}.", places, remedy, tuple(rows))


def duplicates(evidence: Evidence) -> Iterator[Finding]:
    """The same file, or another with the same content, in more than one row."""
    for name in evidence.spec.file_inputs:
        groups: dict[tuple[str, bool, bool], list[list[int]]] = defaultdict(list)
        for rows in repeated(evidence, name):
            same_bytes = len({evidence.seen[index].views[name].sha256 for index in rows}) == 1
            patients, labels = {_patient(evidence, index) for index in rows}, {evidence.label(index) for index in rows}
            words = "byte for byte" if same_bytes else "pixel for pixel" if name in _inputs(evidence) else "call for call"
            groups[words, len(patients) > 1, len(labels) > 1].append(rows)
        for (words, crossing, contrary), found in groups.items():
            said = f"{counted(len(found), 'file', 'stand')} in several rows as {name}, the same {words}"
            yield _duplicate(evidence, found, said, crossing=crossing, contrary=contrary)


def header_sides(evidence: Evidence) -> Iterator[Finding]:
    """Sides that a table states and the model does not read, against the header."""
    wrong = []
    for index, (row, seen) in enumerate(zip(evidence.rows, evidence.seen, strict=True)):
        stated = {view.header.laterality for view in seen.views.values()} - {None}
        if row.side and stated and row.side not in stated:
            wrong.append(index)
    if wrong:
        said = f"{counted(len(wrong), 'row', 'have')} one side in the table and another in the header."
        yield Finding("header", "fix", said, tuple(_files(evidence, index) for index in wrong), REMEDIES["header"], tuple(wrong))


def header_patients(evidence: Evidence) -> Iterator[Finding]:
    """One patient of the headers who is several of the tables, but for images that are the same anyway."""
    twice = {index for name in evidence.spec.file_inputs for rows in repeated(evidence, name) for index in rows}
    groups: dict[str, dict[str, int]] = defaultdict(dict)
    for index, seen in enumerate(evidence.seen):
        for digest in {view.header.patient_digest for view in seen.views.values()} - {""}:
            if index not in twice:
                groups[digest].setdefault(_patient(evidence, index), index)
    many = max(2, PLACEHOLDER * len({_patient(evidence, index) for index in range(len(evidence.rows))}))
    found = [tuple(rows.values()) for rows in groups.values() if 1 < len(rows) <= many]
    if found:
        said = f"{counted(len(found), 'patient', 'are')} one in the headers and several in the tables."
        places = tuple(" and ".join(evidence.rows[index].place for index in rows) for rows in found)
        remedy = "Give them one name, or find out whose image it is: otherwise one person trains and tests."
        yield Finding("patient", "fix", said, places, remedy, tuple(index for rows in found for index in rows))


def reservations(evidence: Evidence) -> Iterator[Finding]:
    """What the reading itself has doubts about: a height in the header that is another, text burnt into the picture."""
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    for index, seen in enumerate(evidence.seen):
        for check in seen.reservations:
            if not check.passed and check.check.startswith(RESERVED):
                groups[check.check, check.detail.replace("the request", "the table")].append(index)
    for (name, words), rows in groups.items():
        said = f"{counted(len(rows), 'row', 'have')} a reservation, {name}: {words}."
        yield Finding("header", "look", said, tuple(_files(evidence, index) for index in rows), REMEDIES["header"], tuple(rows))


def repeated(evidence: Evidence, name: str) -> Iterator[list[int]]:
    """Groups of rows with the same content of an input: what the network would get, or the bytes where it gets nothing."""
    groups: dict[str, list[int]] = defaultdict(list)
    for index, seen in enumerate(evidence.seen):
        if name in seen.views:
            groups[seen.views[name].content or seen.views[name].sha256].append(index)
    yield from (rows for rows in groups.values() if len(rows) > 1)


def _duplicate(evidence: Evidence, groups: Sequence[list[int]], words: str, *, crossing: bool, contrary: bool) -> Finding:
    places = tuple(" = ".join(evidence.rows[index].place for index in rows) for rows in groups)
    shown = tuple(index for rows in groups for index in rows)
    if contrary and not crossing:
        remedy = "Keep the label that is right: the network cannot learn both."
        return Finding("contradiction", "fix", f"{words}, and with different labels.", places, remedy, shown)
    if crossing:
        remedy = "Find out whose it is: one of them would stand in the training part and the other in the test."
        labels = ", and with different labels" if contrary else ""
        return Finding("duplicate", "fix", f"{words}, under different patients{labels}.", places, remedy, shown)
    remedy = "Keep one of them: the other only counts it twice."
    return Finding("duplicate", "look", f"{words}, of the same patient.", places, remedy, shown)


def _odd(pictures: dict[int, NDArray[np.float64]]) -> Iterator[tuple[int, str]]:
    if len(pictures) < FEWEST:
        return
    mean = np.mean(list(pictures.values()), axis=0)
    own = {index: _correlation(picture, mean) for index, picture in pictures.items()}
    usual = float(np.median(list(own.values())))
    if usual < ALIKE:
        return
    for index, value in own.items():
        if value < usual - ODD:
            words, match = _turned(pictures[index], mean)
            if match > MATCH or value < STRANGER:
                yield index, words if match > MATCH else "unlike all the others"


def _turned(picture: NDArray[np.float64], mean: NDArray[np.float64]) -> tuple[str, float]:
    """What would make a picture like the others, in words, and how like."""
    turned = {"upside down": picture[::-1, ::-1], "mirrored from top to bottom": picture[::-1], "dark where others are bright": -picture}
    turned |= {f"turned by {90 * k} degrees": np.rot90(picture, k) for k in (1, 3)}
    matches = {words: _correlation(each, mean) for words, each in turned.items()}
    best = max(matches, key=lambda words: matches[words])
    return best, matches[best]


def _correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    spread = one.std() * other.std()
    return float(((one - one.mean()) * (other - other.mean())).mean() / spread) if spread > 0 else 0.0


def _inputs(evidence: Evidence) -> list[str]:
    return [image.name for image in evidence.spec.images]


def _pictures(evidence: Evidence, rows: Sequence[int], name: str) -> str:
    """``2 pictures are``; of which input, where there are several."""
    alone = len(evidence.spec.images) == 1
    return counted(len(rows), "picture", "are") if alone else f"{name}: {counted(len(rows), 'picture', 'are')}"


def _files(evidence: Evidence, index: int) -> str:
    """Where a row stands, with all of its files."""
    row = evidence.rows[index]
    return f"{row.place} · {alternatives(evidence.file(index, name).removeprefix(f'{row.place} · ') for name in row.images)}"


def _patient(evidence: Evidence, index: int) -> str:
    return evidence.rows[index].group or evidence.rows[index].patient
