"""Checks of what the tables say: lines that cannot be read, values, units, parts, labels, and who is left out."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from models.spec import Field
from training.inspection.findings import Evidence, Finding, alternatives, counted
from training.inspection.units import other_unit, out_of_range, unlike

IN_ANOTHER_UNIT = "Convert them to {unit}, for the whole column or for those rows, and say so where you keep your data."


def table_problems(evidence: Evidence) -> Iterator[Finding]:
    """What the source itself finds wrong; with a word about units where a value of the row is outside its range."""
    groups: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    for problem in evidence.survey.problems:
        groups[problem.file, problem.column, problem.text].append(problem.line)
    hints = _hints(evidence)
    for (file, column, text), lines in groups.items():
        places = [f"{file}:{line}" if line else file for line in sorted(set(lines))]
        looks = sorted({hint for place in places for hint in hints.get(place, ())})
        words = f"In {counted(len(places), 'line')} of {file}: " if lines != [0] else f"{file}{':' if column else ''} "
        said = f"{words}{column}{' ' if column else ''}{text}."
        if looks:
            remedy = "Convert these values, or the whole column, and say so where you keep your data."
            yield Finding("unit", "fix", f"{said} It looks like {alternatives(looks, 'or')}.", tuple(places), remedy)
        else:
            yield Finding("table", "fix", said, tuple(places), "Correct these lines, or the files that they name.")


def field_values(evidence: Evidence) -> Iterator[Finding]:
    """Values that the model's declaration does not allow, where the source has not said so already."""
    groups: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    fields = {field.name: field for field in evidence.spec.table.fields}
    for index, (row, seen) in enumerate(zip(evidence.rows, evidence.seen, strict=True)):
        if row.place not in evidence.faulty_places:
            for name, text in seen.bad_fields.items():
                groups[name, text, _unit_of(fields[name], row.metadata[name])].append(index)
    for (name, text, unit), rows in groups.items():
        places = tuple(evidence.rows[index].place for index in rows)
        said = f"{name}: {counted(len(rows), 'value')} cannot be used: {text[:1].lower() + text[1:]}"
        if unit:
            remedy = IN_ANOTHER_UNIT.format(unit=fields[name].unit)
            yield Finding("unit", "fix", f"{said}. It looks like {unit}.", places, remedy)
        else:
            remedy = "Correct the values, or leave these rows out: the model is not made for them."
            yield Finding("field", "fix", f"{said}.", places, remedy)


def strange_units(evidence: Evidence) -> Iterator[Finding]:
    """Possible numbers that lie far from all others and would lie among them in another unit."""
    for field in evidence.spec.table.fields:
        if field.kind != "number":
            continue
        values = [_allowed(field, row.metadata.get(field.name)) for row in evidence.rows]
        groups: dict[str, list[int]] = defaultdict(list)
        for index, unit in unlike(field, values):
            groups[unit].append(index)
        for unit, rows in groups.items():
            said = f"{field.name}: {counted(len(rows), 'value', 'lie')} far from all others, and would lie among them in {unit}."
            remedy = IN_ANOTHER_UNIT.format(unit=field.unit)
            yield Finding("unit", "look", said, tuple(evidence.rows[index].place for index in rows), remedy)


def left_out(evidence: Evidence) -> Iterator[Finding]:
    """Whom the source leaves out; it names reasons, not people."""
    for reason, number in evidence.survey.left_out.items():
        said = f"{counted(number, 'case', 'are')} left out: {reason}."
        yield Finding("left_out", "look", said, (), "Nothing has to be done, if you meant it so; otherwise complete the data.")


def split_patients(evidence: Evidence) -> Iterator[Finding]:
    """Patients in more than one part of a cohort that is itself divided."""
    parts: dict[str, dict[str, int]] = defaultdict(dict)
    for index, row in enumerate(evidence.rows):
        parts[row.group or row.patient].setdefault(row.part, index)
    crossing = [tuple(rows.values()) for rows in parts.values() if len(rows) > 1]
    if crossing:
        places = tuple(" and ".join(evidence.rows[index].place for index in rows) for rows in crossing)
        named = alternatives(sorted({evidence.rows[index].part for rows in crossing for index in rows}))
        said = f"{counted(len(crossing), 'patient', 'stand')} in more than one part: {named}."
        remedy = "Move each patient to one part: a network that knows the patient looks better on the other part than it is."
        yield Finding("split", "fix", said, places, remedy, tuple(index for rows in crossing for index in rows))


def contradicting_labels(evidence: Evidence) -> Iterator[Finding]:
    """A class that says that no other holds, beside another; or of exclusive classes not exactly one."""
    for part in evidence.spec.classifications:
        names = [each.name for each in part.classes]
        alone = part.none_of_the_others
        others = [name for name in names if name != alone and name not in part.beside]
        wrong = []
        for index, row in enumerate(evidence.rows):
            holding = [name for name in names if row.target[name] > 0.5]
            beside = alone in holding and bool(set(holding) & set(others))
            unknown = any(math.isnan(row.target[name]) for name in names)
            if beside or (part.exclusive and not unknown and len(holding) != 1):
                wrong.append(index)
        if wrong:
            rule = f"{alone} stands beside a finding" if alone else "not exactly one class holds"
            places = tuple(f"{evidence.rows[index].place} · {alternatives(evidence.label(index))}" for index in wrong)
            remedy = "Look at the pictures and decide: as they stand these labels cannot both be learned."
            said = f"{counted(len(wrong), 'row', 'have')} contradicting labels: {rule}."
            yield Finding("contradiction", "fix", said, places, remedy, tuple(wrong))


def one_answer(evidence: Evidence) -> Iterator[Finding]:
    """A cohort whose truth is the same everywhere, or without a row."""
    targets = np.array([list(row.target.values()) for row in evidence.rows], float)
    if not len(targets):
        if not evidence.survey.problems:
            yield Finding("labels", "fix", "No row can be used.", (), "Compare the folder with the layout in docs/cohorts.")
    elif len(np.unique(targets[~np.isnan(targets).any(1)], axis=0)) < 2:
        yield Finding("labels", "fix", "Every row has the same label: there is nothing to learn.", (), "Add cases of the other kind.")


def _hints(evidence: Evidence) -> dict[str, list[str]]:
    """Place -> what an impossible number of its row looks like."""
    found: dict[str, list[str]] = defaultdict(list)
    for row in evidence.rows:
        looks = [_unit_of(field, row.metadata.get(field.name)) for field in evidence.spec.table.fields if field.kind == "number"]
        for part in evidence.spec.regressions:
            value = row.target[part.name]
            looks.append(other_unit(value, part.unit, part.low, part.high) if out_of_range(value, part.low, part.high) else "")
        found[row.place] += filter(None, looks)
    return found


def _unit_of(field: Field, value: object) -> str:
    """The unit that an impossible number of a field looks like."""
    if field.kind != "number" or not isinstance(value, float) or not out_of_range(value, field.low, field.high):
        return ""
    return other_unit(value, field.unit, field.low, field.high)


def _allowed(field: Field, value: object) -> float:
    return value if isinstance(value, float) and not out_of_range(value, field.low, field.high) else math.nan
