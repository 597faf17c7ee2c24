"""A Prediction as a Comprehensive 3D SR document (PS3.3 A.35.13) of TID 1500, Imaging Measurement Report (PS3.16)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from highdicom import sr
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code as PydicomCode

from models.prediction import Prediction
from service.formats import terms
from service.formats.algorithm import MANUFACTURER, is_synthetic
from service.formats.dicom.groups import Group, Groups, coded
from service.formats.dicom.result import NOT_CLINICAL, Result

SERIES_NUMBER = 9000
# What was done with each modality (PS3.16 CID 100); the study's own procedure code says why, not what was measured.
PROCEDURES: dict[str, PydicomCode] = {
    "MR": codes.LN.MRIUnspecifiedBodyRegion,
    "PT": codes.LN.PETUnspecifiedBodyRegion,
    "CR": codes.LN.XRUnspecifiedBodyRegion,
    "DX": codes.LN.XRUnspecifiedBodyRegion,
    "MG": codes.LN.XRUnspecifiedBodyRegion,
}


def structured_report(result: Result, prediction: Prediction) -> bytes:
    """The document as a file: complete, not verified by anybody, every used instance among its evidence."""
    groups = Groups(result.algorithm.spec, prediction, result.source, result.names, _algorithm(result)).all()
    for group, remarks in zip(groups, _remarks(result, prediction, len(groups)), strict=True):
        _comment(group, remarks)
    return _document(result, groups, "structured report")


def abstention(result: Result, code: str, detail: str) -> bytes:
    """A document that says that the study was not evaluated, and why: a result that an archive keeps, in place of silence."""
    reason = sr.QualitativeEvaluation(coded(terms.EVALUATION), coded(terms.NOT_EVALUATED))
    group = sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(result.names.tracking("abstention"), "abstention"),
        algorithm_id=_algorithm(result),
        qualitative_evaluations=[reason],
        source_images=[sr.SourceImageForMeasurementGroup(each.sop_class_uid, each.sop_instance_uid) for each in result.source.all],
    )
    _comment(group, [f"Not evaluated. {detail}", f"Reason: {code}"])
    return _document(result, [group], "abstention")


def _document(result: Result, groups: list[Group], kind: str) -> bytes:
    report = sr.MeasurementReport(
        observation_context=_observer(result),
        procedure_reported=list(dict.fromkeys(PROCEDURES.get(each.modality, codes.SCT.ImagingProcedure) for each in result.source.all)),
        imaging_measurements=groups,
    )
    document = sr.Comprehensive3DSR(
        evidence=[each.evidence() for each in result.source.all], content=report, is_complete=True, is_verified=False,
        **result.arguments(kind, SERIES_NUMBER),
    )  # fmt: skip
    return result.finished(document)


def _algorithm(result: Result) -> sr.AlgorithmIdentification:
    spec = result.algorithm.spec
    return sr.AlgorithmIdentification(
        name=spec.title[:64], version=spec.version, parameters=list(_parameters(result)), family=codes.DCM.ArtificialIntelligence,
        manufacturer=MANUFACTURER,
    )  # fmt: skip


def _observer(result: Result) -> sr.ObservationContext:
    spec = result.algorithm.spec
    device = sr.DeviceObserverIdentifyingAttributes(
        uid=result.names.device_uid, name=f"{MANUFACTURER} {spec.name}", manufacturer_name=MANUFACTURER, model_name=spec.name,
        serial_number=result.algorithm.digest,
    )  # fmt: skip
    return sr.ObservationContext(observer_device_context=sr.ObserverContext(codes.DCM.Device, device))


def _parameters(result: Result) -> Iterator[str]:
    algorithm = result.algorithm
    trained_on = algorithm.spec.measured.training_data if algorithm.spec.measured else "nothing"
    yield f"artifact {algorithm.digest}"
    yield f"declaration {algorithm.spec.digest()}"
    yield f"execution provider {algorithm.provider}"
    yield f"trained on {trained_on}"


def _remarks(result: Result, prediction: Prediction, count: int) -> list[list[str]]:
    """What is to be said of each group: in all of them that nobody may act on it, in the first what holds for the whole answer."""
    everywhere = [NOT_CLINICAL] if is_synthetic(result.algorithm) else []
    spec = result.algorithm.spec
    told = [f"{check.check}: {check.detail}" for check in prediction.quality if not check.passed and check.check != "training_data"]
    told += [f"{each.name}: {each.reference}" for each in prediction.measurements if each.reference]
    told += [f"{each.name}: {each.reservation}" for each in prediction.findings if each.reservation]
    first = [*everywhere, f"Intended use: {spec.intended_use}", *told]
    return [first, *([everywhere] * (count - 1))]


def _comment(group: Group, remarks: list[str]) -> None:
    """Add comments to a group: TID 1501 leaves room for content of our own (it is extensible), highdicom has no argument for it."""
    item: Any = group[0]
    for remark in remarks:
        item.ContentSequence.append(sr.TextContentItem(coded(terms.COMMENT), remark, sr.RelationshipTypeValues.CONTAINS))
