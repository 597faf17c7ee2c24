"""Attention as Parametric Maps (PS3.3 A.75): one for each image of an answer, over the field of view of the original.

Built by the table of modules: highdicom's ParametricMap wants the very matrix of the source where that has no place in the patient, as
no radiograph has one. Its building blocks are used.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from highdicom.base import SOPClass
from highdicom.content import PixelMeasuresSequence, PlaneOrientationSequence, PlanePositionSequence, VOILUTTransformation
from highdicom.pm import RealWorldValueMapping
from highdicom.sr import CodedConcept
from numpy.typing import NDArray
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ParametricMapStorage

from models.decode.dataset import DataSet
from models.decode.patient import shows_both_sides
from models.prediction import AttentionMap, Prediction, UsedImage
from models.spec import Code
from service.formats import terms
from service.formats.algorithm import is_synthetic
from service.formats.dicom.cells import laid_over
from service.formats.dicom.groups import coded
from service.formats.dicom.identity import uid
from service.formats.dicom.result import LO, Result
from service.formats.dicom.source import Instance, carried
from service.formats.dicom.space import Space, space_of

SERIES_NUMBER = 9002
LABEL = "ATTENTION"
EXPLANATION = "Share of all attention that the cell of the network here has"
IMAGE_TYPE = ["DERIVED", "PRIMARY", "VOLUME", "QUANTITY"]  # PS3.3 C.8.32.2; no flavour of C.8.16.1.3 says more than VOLUME
HOW_LOSSY = ("LossyImageCompressionRatio", "LossyImageCompressionMethod")  # PS3.3 C.7.6.1.1.5
PATIENT = "PATIENT"


def parametric_maps(result: Result, prediction: Prediction) -> Iterator[bytes]:
    """A map for each image with attention that came as DICOM; another has no study, and no place that a viewer would know."""
    for number, attention in enumerate(prediction.image_attention):
        if attention.input in result.source.instances:
            image = next(each for each in prediction.reading.images if each.input == attention.input)
            yield result.finished(_Map(result, prediction, attention, image).dataset(SERIES_NUMBER + number))


@dataclass(frozen=True)
class _Map:
    """One map, module by module."""

    result: Result
    prediction: Prediction
    attention: AttentionMap
    image: UsedImage

    def dataset(self, number: int) -> Dataset:
        """All modules but the patient's, which `Result.finished` adds."""
        dataset = self._series(number)
        self._content(dataset)
        self._pixels(dataset)
        self._references(dataset)
        shared, frame = self._shared(), self._of_the_frame()
        dataset.SharedFunctionalGroupsSequence, dataset.PerFrameFunctionalGroupsSequence = [shared], [frame]
        _dimension(dataset, uid("dimensions", dataset.SOPInstanceUID))
        return dataset

    @cached_property
    def _weights(self) -> NDArray[np.float32]:
        return laid_over(self.attention, (self.image.rows, self.image.columns))

    @cached_property
    def _space(self) -> Space:
        return space_of(self.image, self._header, self._instances[0]).of_matrix(*self._weights.shape)

    @property
    def _header(self) -> DataSet:
        return self.result.source.headers[self.image.input]

    @property
    def _instances(self) -> tuple[Instance, ...]:
        return self.result.source.instances[self.image.input]

    def _series(self, number: int) -> Dataset:
        """A series holds one frame of reference (PS3.3 C.7.4.1), and two images of a study may have two."""
        study, kind = self.result.source.all[0].study_instance_uid, f"map {self.image.input}"
        frame = self.result.arguments(kind, number)
        frame["series_instance_uid"] = self.result.names.series(f"{kind} {self._space.frame_of_reference_uid}", study)
        dataset = SOPClass(
            study_instance_uid=study, sop_class_uid=ParametricMapStorage, modality="OT", transfer_syntax_uid=ExplicitVRLittleEndian,
            content_qualification="RESEARCH", **frame,
        )  # fmt: skip
        dataset.FrameOfReferenceUID, dataset.PositionReferenceIndicator = self._space.frame_of_reference_uid, None
        return dataset

    def _content(self, dataset: Dataset) -> None:
        """Parametric Map Image, and Acquisition Context (PS3.3 C.8.32.2, C.7.6.14)."""
        warning = ". NOT FOR CLINICAL USE" if is_synthetic(self.result.algorithm) else ""
        dataset.ImageType, dataset.ContentLabel, dataset.ContentCreatorName = IMAGE_TYPE, LABEL, None
        dataset.ContentDescription = f"Attention of {self.result.algorithm.spec.name} to {self.image.input}{warning}"[:LO]
        dataset.BurnedInAnnotation = dataset.RecognizableVisualFeatures = "NO"
        dataset.PresentationLUTShape, dataset.PixelPresentation = "IDENTITY", "MONOCHROME"
        dataset.AcquisitionContextSequence = []
        lossy = carried(self._header, "LossyImageCompression").value == "01"
        dataset.LossyImageCompression = "01" if lossy else "00"
        for keyword in HOW_LOSSY if lossy else ():
            dataset.add(carried(self._header, keyword))
        if self._space.plane is None:
            dataset.add(carried(self._header, "PatientOrientation"))

    def _pixels(self, dataset: Dataset) -> None:
        """Floating Point Image Pixel (PS3.3 C.7.6.24)."""
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.BitsAllocated = 1, "MONOCHROME2", 32
        dataset.NumberOfFrames, (dataset.Rows, dataset.Columns) = 1, self._weights.shape
        dataset.FloatPixelData = self._weights.astype("<f4").tobytes()

    def _references(self, dataset: Dataset) -> None:
        """Every instance that was read, by study and series (PS3.3 C.12.2)."""
        series: dict[tuple[str, str], list[Dataset]] = {}
        for each in self._instances:
            series.setdefault((each.study_instance_uid, each.series_instance_uid), []).append(_reference(each))
        here: list[Dataset] = []
        elsewhere: dict[str, list[Dataset]] = {}
        for (study, series_uid), instances in series.items():
            item = Dataset()
            item.SeriesInstanceUID, item.ReferencedInstanceSequence = series_uid, instances
            (here if study == dataset.StudyInstanceUID else elsewhere.setdefault(study, [])).append(item)
        if here:
            dataset.ReferencedSeriesSequence = here
        if elsewhere:
            dataset.StudiesContainingOtherReferencedInstancesSequence = [_study(*each) for each in elsewhere.items()]

    def _shared(self) -> Dataset:
        """Pixel Measures, Plane Orientation, Frame Anatomy, values and how to show them (PS3.3 table A.75-2)."""
        item = Dataset()
        item.PixelMeasuresSequence, item.PlaneOrientationSequence = _measures(self._space), _orientation(self._space)
        item.FrameAnatomySequence = [self._anatomy()]
        item.PixelValueTransformationSequence = [_identity()]
        strongest = float(self._weights.max()) or 1.0
        item.FrameVOILUTSequence = [VOILUTTransformation(strongest / 2, strongest, voi_lut_function="LINEAR_EXACT")]
        item.RealWorldValueMappingSequence = [
            RealWorldValueMapping(
                LABEL, EXPLANATION, _concept(terms.NO_UNITS), (0.0, 1.0), slope=1.0, intercept=0.0,
                quantity_definition=_concept(terms.ATTENTION),
            )
        ]  # fmt: skip
        kind = Dataset()
        kind.FrameType = IMAGE_TYPE
        item.ParametricMapFrameTypeSequence = [kind]
        return item

    def _of_the_frame(self) -> Dataset:
        """Frame Content, Plane Position and Derivation Image."""
        item, content, derivation = Dataset(), Dataset(), Dataset()
        content.FrameLabel, content.DimensionIndexValues = LABEL, [1]
        item.FrameContentSequence = [content]
        item.PlanePositionSequence = _position(self._space)
        derivation.DerivationCodeSequence = [_concept(terms.ATTENDED)]
        derivation.SourceImageSequence = [_reference(each) for each in self._instances]
        for source in derivation.SourceImageSequence:
            source.PurposeOfReferenceCodeSequence = [_concept(terms.SOURCE_IMAGE)]
            if self.image.plane is None:
                source.SpatialLocationsPreserved = "YES"  # coarser, but neither turned nor bent
        item.DerivationImageSequence = [derivation]
        return item

    def _anatomy(self) -> Dataset:
        """Frame Anatomy (PS3.3 C.7.6.16.2.8)."""
        item = Dataset()
        stated = self.image.body_part
        spec = next(each for each in self.result.algorithm.spec.images if each.name == self.image.input)
        item.AnatomicRegionSequence = [_concept(terms.REGIONS[stated if stated in terms.REGIONS else spec.body_parts[0]])]
        both = shows_both_sides(self._header) or self.image.geometry.width < self.image.columns
        side = self.prediction.reading.metadata.get("laterality")
        item.FrameLaterality = "B" if both else {"left": "L", "right": "R"}.get(str(side.value) if side else "", "U")
        return item


def _concept(code: Code) -> CodedConcept:
    return CodedConcept.from_code(coded(code))


def _reference(instance: Instance) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = instance.sop_class_uid, instance.sop_instance_uid
    return item


def _study(study: str, series: list[Dataset]) -> Dataset:
    item = Dataset()
    item.StudyInstanceUID, item.ReferencedSeriesSequence = study, series
    return item


# These macros stand in every map. A frame that is derived need not say what is in them (PS3.3 C.7.6.16.2.1, .3 and .4, all 1C): of a
# radiograph, which lies nowhere in the patient's coordinates, their item is empty.


def _measures(space: Space) -> list[Dataset]:
    """Pixel Measures; a plane gets the thickness of its pixels, for a viewer cannot place one that has none."""
    if space.spacing_mm is None:
        return [Dataset()]
    return list(PixelMeasuresSequence(space.spacing_mm, min(space.spacing_mm) if space.plane else None))


def _orientation(space: Space) -> list[Dataset]:
    if space.plane is None:
        return [Dataset()]
    return list(PlaneOrientationSequence(PATIENT, np.concatenate([space.plane.along_row, space.plane.along_column]).tolist()))


def _position(space: Space) -> list[Dataset]:
    return [Dataset()] if space.plane is None else list(PlanePositionSequence(PATIENT, space.plane.position.tolist()))


def _identity() -> Dataset:
    """Identity Pixel Value Transformation (PS3.3 C.7.6.16.2.9b)."""
    item = Dataset()
    item.RescaleIntercept, item.RescaleSlope, item.RescaleType = 0, 1, "US"
    return item


def _dimension(dataset: Dataset, organization: str) -> None:
    """The one frame by its label (PS3.3 C.7.6.17)."""
    whole, index = Dataset(), Dataset()
    whole.DimensionOrganizationUID = index.DimensionOrganizationUID = organization
    index.DimensionIndexPointer, index.FunctionalGroupPointer = tag_for_keyword("FrameLabel"), tag_for_keyword("FrameContentSequence")
    index.DimensionDescriptionLabel = "Frame Label"
    dataset.DimensionOrganizationSequence, dataset.DimensionIndexSequence = [whole], [index]
