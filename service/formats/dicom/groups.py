"""Measurements and findings as the measurement groups of TID 1500 (PS3.16): number for number what the Prediction says.

A probability stands in per cent, as PS3.16 has it for a certainty: 100 times the number of the JSON. Beside the decimal string of at
most 16 characters stands the number itself (Floating Point Value, PS3.3 C.18.1).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from highdicom import sr
from pydicom.sr.coding import Code as PydicomCode

from models.prediction import Finding, Geometry, Measurement, Prediction, Region
from models.spec import Classification, Code, ModelSpec
from service.formats import terms
from service.formats.dicom.identity import Names
from service.formats.dicom.source import Instance, Source

Group = sr.MeasurementsAndQualitativeEvaluations | sr.PlanarROIMeasurementsAndQualitativeEvaluations


def coded(code: Code) -> PydicomCode:
    """A concept of ours as pydicom's."""
    return PydicomCode(code.value, code.scheme_designator, terms.SHORTER.get(code.value, code.meaning))


@dataclass(frozen=True)
class Groups:
    """What the groups of one report share."""

    spec: ModelSpec
    prediction: Prediction
    source: Source
    names: Names
    algorithm: sr.AlgorithmIdentification

    def all(self) -> list[Group]:
        """One group for each measurement, finding and region; one for classes that exclude each other."""
        return [*self._measurements(), *self._findings(), *self._exclusive(), *self._regions()]

    def _measurements(self) -> Iterator[Group]:
        for measurement in self.prediction.measurements:
            numbers = [_number(measurement.code, measurement.value, terms.unit(measurement.unit))]
            if interval := measurement.interval:
                numbers += [
                    _number(terms.INTERVAL_LOW, interval.low, terms.unit(measurement.unit)),
                    _number(terms.INTERVAL_HIGH, interval.high, terms.unit(measurement.unit)),
                    _percent(terms.LEVEL, interval.level),
                ]
            judged = [_judged(terms.CATEGORY, terms.CATEGORIES[measurement.category])] if measurement.category else []
            yield self._group(measurement.name, None, numbers, judged, _sites(measurement))

    def _findings(self) -> Iterator[Group]:
        exclusive = {part.name for group in self.spec.classifications if group.exclusive for part in group.classes}
        for finding in self.prediction.findings:
            if finding.name in exclusive:
                continue
            numbers = [_percent(terms.CERTAINTY, finding.probability), _percent(terms.THRESHOLD, finding.threshold)]
            judged = [_judged(terms.POSITIVE, _presence(finding))]
            yield self._group(finding.name, finding.code, numbers, judged, _sites(finding))

    def _exclusive(self) -> Iterator[Group]:
        found = {finding.name: finding for finding in self.prediction.findings}
        for group in self.spec.classifications:
            if group.exclusive:
                members = [found[part.name] for part in group.classes]
                numbers = [_percent(terms.class_probability(part), found[part.name].probability) for part in group.classes]
                numbers += [_percent(terms.class_threshold(part), found[part.name].threshold) for part in group.classes]
                judged = _chosen(group, members)
                if among := self.prediction.set_of(members):
                    numbers.append(_percent(terms.SET_LEVEL, among.level))
                    judged += [_judged(terms.IN_SET, found[name].code) for name in among.findings]
                yield self._group(group.tensor, terms.CLASS_GROUP, numbers, judged, _sites(members[0]))

    def _group(
        self, name: str, finding: Code | None, numbers: list[sr.Measurement], judged: list[sr.QualitativeEvaluation],
        sites: list[sr.FindingSite],
    ) -> Group:  # fmt: skip
        return sr.MeasurementsAndQualitativeEvaluations(
            tracking_identifier=sr.TrackingIdentifier(self.names.tracking(name), name),
            finding_type=coded(finding) if finding else None,
            algorithm_id=self.algorithm,
            finding_sites=sites or None,
            measurements=numbers,
            qualitative_evaluations=judged or None,
            source_images=[sr.SourceImageForMeasurementGroup(each.sop_class_uid, each.sop_instance_uid) for each in self.source.all],
        )

    def _regions(self) -> Iterator[Group]:
        """The boxes that a network looked into, outlined on the original pixels of a file that is one picture."""
        for region in self.prediction.regions:
            image = next(each for each in self.prediction.reading.images if each.input == region.input)
            instances = self.source.instances.get(region.input, ())
            if len(instances) == 1 and image.plane is None:
                yield sr.PlanarROIMeasurementsAndQualitativeEvaluations(
                    tracking_identifier=sr.TrackingIdentifier(self.names.tracking(region.name), region.name),
                    referenced_region=_outline(region, image.geometry, instances[0]),
                    finding_type=coded(terms.LOOKED_AT),
                    algorithm_id=self.algorithm,
                )


def _outline(region: Region, geometry: Geometry, instance: Instance) -> sr.ImageRegion:
    corners = ((region.x0, region.y0), (region.x1, region.y0), (region.x1, region.y1), (region.x0, region.y1), (region.x0, region.y0))
    points = np.array([geometry.original(u, v) for u, v in corners])
    return sr.ImageRegion("POLYLINE", points, sr.SourceImageForRegion(instance.sop_class_uid, instance.sop_instance_uid))


def _number(name: Code, value: float, unit: Code) -> sr.Measurement:
    return sr.Measurement(coded(name), value, coded(unit))


def _percent(name: Code, part: float) -> sr.Measurement:
    return _number(name, 100 * part, terms.PERCENT)


def _judged(name: Code, value: Code) -> sr.QualitativeEvaluation:
    return sr.QualitativeEvaluation(coded(name), coded(value))


def _presence(finding: Finding) -> Code:
    if finding.reservation:
        return terms.INDETERMINATE
    return terms.PRESENT if finding.positive else terms.ABSENT


def _chosen(group: Classification, members: Sequence[Finding]) -> list[sr.QualitativeEvaluation]:
    """Which class is positive; whether because it is the likeliest or by a threshold, its name says."""
    chosen = next(member for member in members if member.positive)
    likeliest = all(part.threshold is None for part in group.classes) or chosen.probability >= max(each.probability for each in members)
    return [_judged(terms.LIKELIEST if likeliest else terms.CHOSEN, chosen.code)]


def _sites(part: Measurement | Finding) -> list[sr.FindingSite]:
    if part.finding_site is None:
        return []
    side = {"left": terms.LEFT, "right": terms.RIGHT}.get(getattr(part, "laterality", None) or "")
    return [sr.FindingSite(coded(part.finding_site), coded(side) if side else None)]
