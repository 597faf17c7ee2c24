"""From bytes to tensors: the one path of training, service and golden case, on a phantom's real DICOM file."""

import hashlib
import io
from dataclasses import replace

import numpy as np
import pydicom
import pytest
from PIL import Image as PillowImage

from models import pictures
from models.bmd import SPEC
from models.decode import Limits
from models.errors import InvalidMetadataError, MetadataConflictError, MissingImageError, StudyError, UnsuitableImageError
from models.study import Part, Study, read_study
from tests.models.decode.real import DATA, needs_data
from tests.models.examples import EXAMPLE, EXAMPLE_METADATA, EXAMPLE_PNG

LIMITS = Limits()


def changed(**tags):
    """The example's DICOM with other tags."""
    dataset = pydicom.dcmread(io.BytesIO(EXAMPLE))
    for keyword, value in tags.items():
        setattr(dataset, keyword, value)
    stream = io.BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def read(*parts, **metadata):
    return read_study(SPEC, Study(tuple(Part(part, "image") for part in parts), metadata), LIMITS)


def quality(reading):
    return {check.check: check for check in reading.quality}


def test_a_study_becomes_tensors_of_the_spec():
    reading = read(EXAMPLE)
    assert {name: tensor.shape for name, tensor in reading.tensors.items()} == {"image": (3, 224, 224), "metadata": (10,), "present": (10,)}
    assert all(tensor.dtype == np.float32 and np.isfinite(tensor).all() for tensor in reading.tensors.values())
    assert set(reading.timing_ms) == {"decode", "preprocess"}


def test_header_and_request_that_agree_give_the_same_tensors():
    from_header, from_request = read(EXAMPLE), read(EXAMPLE, **EXAMPLE_METADATA)
    assert all(np.array_equal(from_header.tensors[name], from_request.tensors[name]) for name in from_header.tensors)
    assert from_header.metadata["sex"].source == "dicom"
    assert from_request.metadata["sex"].source == "request"


def test_where_the_image_came_from_is_kept():
    used = read(EXAMPLE).images[0]
    assert (used.rows, used.columns) == (768, 619)
    assert used.geometry.mirrored
    assert used.decoder
    assert used.sha256 == hashlib.sha256(EXAMPLE).hexdigest()


def test_the_digest_of_a_large_film_is_made_beside_its_pixels_and_is_the_same(monkeypatch):
    monkeypatch.setattr(pictures, "LARGE_BYTES", 1000)
    alone = read_study(SPEC, Study((Part(EXAMPLE, "image"),), {}), LIMITS)
    beside = read_study(SPEC, Study((Part(EXAMPLE, "image"),), {}), replace(LIMITS, threads=2))
    assert beside.images == alone.images


def test_a_png_is_read_with_reservations():
    reading = read(EXAMPLE_PNG, **EXAMPLE_METADATA)
    assert not quality(reading)["body_part"].passed
    assert reading.images[0].sop_instance_uid == ""


def test_a_png_of_the_same_film_gives_nearly_the_same_image():
    dicom, png = read(EXAMPLE), read(EXAMPLE_PNG, **EXAMPLE_METADATA)
    assert np.abs(dicom.tensors["image"] - png.tensors["image"]).mean() < 0.1


def test_an_unstated_side_is_read_as_it_lies_and_said():
    reading = read(EXAMPLE_PNG, sex="female")
    assert not reading.images[0].geometry.mirrored
    assert not quality(reading)["laterality"].passed


def test_the_other_side_contradicts_the_header():
    with pytest.raises((MetadataConflictError, UnsuitableImageError)):
        read(EXAMPLE, laterality="left")


def test_another_sex_contradicts_the_header():
    with pytest.raises(MetadataConflictError):
        read(EXAMPLE, sex="male")


def test_the_hip_is_chosen_among_other_images_and_the_others_are_accounted_for():
    chest = changed(BodyPartExamined="CHEST", SOPInstanceUID="2.25.7")
    reading = read(chest, EXAMPLE)
    assert reading.images[0].sop_instance_uid == read(EXAMPLE).images[0].sop_instance_uid
    assert len(reading.unused_images) == 1
    assert "body part is not HIP" in reading.unused_images[0].rejected_because


def test_a_chest_alone_is_refused():
    with pytest.raises(UnsuitableImageError):
        read(changed(BodyPartExamined="CHEST"))


def test_a_pelvis_without_a_side_is_refused():
    pelvis = changed(BodyPartExamined="PELVIS", ImageLaterality="B")
    with pytest.raises(UnsuitableImageError):
        read(pelvis)
    assert read(pelvis, laterality="right").images[0].geometry.width == 619 // 2


def test_a_child_is_refused_by_the_age_in_the_header():
    with pytest.raises(InvalidMetadataError):
        read(changed(PatientAge="004Y"))


def test_a_file_that_cannot_be_read_among_others_is_accounted_for():
    reading = read(b"not an image", EXAMPLE[:2000], EXAMPLE)
    assert reading.images[0].sha256 == read(EXAMPLE).images[0].sha256
    assert len(reading.unused_images) == 2


def test_of_files_that_cannot_be_read_each_gets_its_reason():
    with pytest.raises(StudyError) as refusal:
        read(b"not an image", EXAMPLE[:2000])
    assert [detail.pointer for detail in refusal.value.details] == ["/images/image/0", "/images/image/1"]


def test_another_patient_in_an_image_that_is_not_read_is_noticed():
    with pytest.raises(MetadataConflictError):
        read(changed(PatientSex="M", BodyPartExamined="CHEST"), EXAMPLE_PNG, **EXAMPLE_METADATA)


def test_a_film_of_both_hips_is_cropped_to_the_stated_side():
    both = changed(ImageLaterality="B")
    with pytest.raises(UnsuitableImageError):
        read(both)
    assert read(both, laterality="left").images[0].geometry.left > 0


@pytest.mark.parametrize("orientation", [["R", "F"], ["L", "H"], ["P", "F"]])
def test_a_turned_or_mirrored_film_is_refused(orientation):
    with pytest.raises(UnsuitableImageError):
        read(changed(PatientOrientation=orientation))


def test_a_study_without_files_is_refused():
    with pytest.raises(MissingImageError):
        read(sex="female")


def test_eight_and_sixteen_bit_pngs_of_the_same_picture_agree():
    eight = np.asarray(PillowImage.open(io.BytesIO(EXAMPLE_PNG)), np.uint16)
    stream = io.BytesIO()
    PillowImage.fromarray(eight * 257).save(stream, "PNG")
    first, second = read(EXAMPLE_PNG, **EXAMPLE_METADATA), read(stream.getvalue(), **EXAMPLE_METADATA)
    assert np.allclose(first.tensors["image"], second.tensors["image"], atol=1e-4)


@needs_data
@pytest.mark.parametrize(
    "folder",
    ["hip/ddh_pelvis_dicom", "chest_xray/dicom", "mammography/dicom", "alzheimer/pet_dicom", "dicom_conformance"],
)
def test_every_real_file_that_is_no_adult_hip_is_refused_cleanly(folder):
    paths = sorted(path for path in (DATA / folder).rglob("*.dcm") if path.stat().st_size < 50_000_000)
    assert paths
    for path in paths:
        with pytest.raises(StudyError):
            read(path.read_bytes(), sex="female")


@pytest.mark.parametrize(("attributes", "square"), [
    ({"PixelSpacing": ["0.14", "0.14"]}, True), ({"PixelSpacing": ["0.14", "0.2"]}, False), ({"ImagerPixelSpacing": ["0.2", "0.1"]}, False),
    ({"PixelAspectRatio": ["1", "1"]}, True), ({"PixelAspectRatio": ["4", "3"]}, False), ({"PixelSpacing": ["0", "0"]}, True),
])  # fmt: skip
def test_a_picture_whose_pixels_are_not_square_is_refused_not_stretched(attributes, square):
    data = changed(**attributes)
    if square:
        assert read(data).images
    else:
        with pytest.raises(UnsuitableImageError, match="not square"):
            read(data)


@pytest.mark.parametrize(("stated", "passed"), [("YES", False), ("NO", True), (None, True)])
def test_burned_in_annotation_is_a_reservation(stated, passed):
    reading = read(changed(**({"BurnedInAnnotation": stated} if stated else {})))
    assert quality(reading)["burned_in_annotation"].passed is passed


def test_the_answer_tells_how_the_tensor_can_be_made_again():
    tags = {"RescaleSlope": "2", "RescaleIntercept": "-5", "WindowCenter": "2000", "WindowWidth": "3000"}
    used = read(changed(**tags, PhotometricInterpretation="MONOCHROME1")).images[0]
    assert used.lut == "rescale slope 2 intercept -5, window centre 2000 width 3000 LINEAR, inverted"
    assert (used.resize.rows, used.resize.columns) == SPEC.images[0].shape[1:]
    assert read(EXAMPLE_PNG, **EXAMPLE_METADATA).images[0].lut == "none"
