"""Planes of volumes as image inputs: the same head, however it was scanned and sent, is the same tensor."""

import gzip
import hashlib
import tarfile

import numpy as np
import pytest

from models.decode import Limits
from models.errors import MetadataConflictError, MissingImageError, NotEvaluableError, UnreadableImageError, UnsuitableImageError
from models.study import Part, Study, read_study
from tests.models.decode.real import DATA, needs_data
from tests.models.decode.synthetic import png
from tests.models.decode.synthetic_volume import CORONAL, OBLIQUE, SAGITTAL, mr_slice
from tests.models.heads import IMAGES_ONLY, METADATA, PERSON, SCORES, head, mri, pet, pet_object, volume_file

MRI, PET, NIFTI = mri(), pet(), volume_file()


def read(mri_files=MRI, pet_files=PET, metadata=METADATA, *, named=True):
    parts = [Part(data, "mri" if named else None) for data in mri_files] + [Part(data, "pet" if named else None) for data in pet_files]
    return read_study(IMAGES_ONLY, Study(tuple(parts), dict(metadata)), Limits())


def checks(reading, name):
    return {check.detail.split(":")[0]: check for check in reading.quality if check.check == name}


def alike(one, other):
    return np.corrcoef(one.ravel(), other.ravel())[0, 1]


def test_a_series_becomes_the_tensor_of_its_middle_plane():
    reading = read()
    assert {name: tensor.shape for name, tensor in reading.tensors.items()} == {
        "mri": (3, 224, 224), "pet": (3, 224, 224), "clinical": (7,), "present": (7,),
    }
    assert {name: thumbnail.shape for name, thumbnail in reading.thumbnails.items()} == {"mri": (1, 96, 96), "pet": (1, 96, 96)}
    assert all(np.isfinite(tensor).all() for tensor in reading.tensors.values())
    assert all(check.passed for check in checks(reading, "plane").values())


def test_the_crown_is_up_and_the_nose_to_the_left():
    shown = read().tensors["mri"][0]
    bright = np.argwhere(shown > 0.99 * shown.max())
    assert bright[:, 1].mean() < 70
    assert shown[:40].mean() > shown[-40:].mean()


@pytest.mark.parametrize("files", [
    mri(CORONAL), mri(SAGITTAL), mri(OBLIQUE), mri(spacing=(1.25, 2.5), shape=(56, 120, 64)), mri(step=6.0, shape=(56, 60, 64)), MRI[::-1],
    [NIFTI], [volume_file("LPI")], [volume_file("ASL")], [volume_file("SRP", compressed=False)],
])  # fmt: skip
def test_the_same_head_gives_nearly_the_same_plane_however_it_was_scanned(files):
    shown, other = read().images[0], read(files).images[0]
    assert alike(*(profile(image, tensor) for image, tensor in ((shown, read().tensors["mri"]), (other, read(files).tensors["mri"])))) > 0.9


def profile(image, tensor):
    """Values at places of the patient, wherever they lie in the tensor."""
    geometry, plane = image.geometry, image.plane
    y, z = np.meshgrid(np.linspace(-60, 60, 25), np.linspace(60, -40, 21))
    column = (y - plane.origin_mm[1]) / plane.spacing_mm + 0.5
    row = (plane.origin_mm[2] - z) / plane.spacing_mm + 0.5
    u, v = (column + geometry.pad_left) / geometry.side, (row + geometry.pad_top) / geometry.side
    values = tensor[0][(v * 224).astype(int).clip(0, 223), (u * 224).astype(int).clip(0, 223)]
    return values - values.mean()


def test_the_order_of_the_files_changes_nothing():
    shuffled = [MRI[index] for index in np.random.default_rng(0).permutation(len(MRI))]
    one, other = read(), read(shuffled)
    assert all(np.array_equal(one.tensors[name], other.tensors[name]) for name in one.tensors)
    assert one.images == other.images


def test_files_without_a_name_go_to_the_input_that_they_fit():
    named, unnamed = read(), read(named=False)
    assert all(np.array_equal(named.tensors[name], unnamed.tensors[name]) for name in named.tensors)
    assert unnamed.unused_images == ()


def test_a_multi_frame_object_is_a_volume():
    reading = read(pet_files=[pet_object()])
    used = reading.images[1]
    assert (used.files, used.plane.volume) == (1, (40, 48, 52))
    assert used.sop_instance_uid
    assert alike(read().tensors["pet"], reading.tensors["pet"]) > 0.99


def test_where_a_plane_came_from_is_kept():
    used = read().images[0]
    digests = b"".join(hashlib.sha256(data).digest() for data in MRI)
    assert used.sha256 == hashlib.sha256(digests).hexdigest()
    assert (used.files, used.series_instance_uid, used.sop_instance_uid) == (56, "2.25.20", "")
    assert used.plane.name == "mid_sagittal"
    assert used.plane.origin_mm == pytest.approx((0.0, -73.75, 82.75), abs=1e-6)  # the outer edges of the volume stay where they are
    assert used.plane.spacing_mm == 2.5
    assert (used.rows, used.columns) == (67, 60)
    assert "a series of 56 instances" in used.chosen_because
    assert (used.lut, read().images[1].lut) == ("modality values", "modality values in BQML")


def test_of_one_file_the_digest_is_its_own():
    used = read([NIFTI]).images[0]
    assert (used.sha256, used.files) == (hashlib.sha256(NIFTI).hexdigest(), 1)
    assert not checks(read([NIFTI]), "body_part")["mri"].passed


def test_the_patient_comes_from_whichever_header_knows_it():
    values = read([NIFTI], metadata=SCORES).metadata
    assert (values["age_years"].value, values["age_years"].source) == (71.0, "dicom")
    assert values["sex"].value == "female"


@pytest.mark.parametrize(("files", "metadata"), [
    (pet(PatientID="B"), METADATA), (pet(PatientSex="M"), METADATA), (pet(PatientAge="074Y"), SCORES),
    (PET, {**METADATA, "sex": "male"}), (PET, {**METADATA, "age_years": 68.0}),
])  # fmt: skip
def test_another_patient_is_noticed_across_scans_and_request(files, metadata):
    with pytest.raises(MetadataConflictError):
        read(pet_files=files, metadata=metadata)


def test_scans_a_year_apart_are_of_one_patient():
    assert read(pet_files=pet(PatientAge="072Y")).metadata["age_years"].value == 71.5


def test_the_same_volume_for_both_is_refused():
    with pytest.raises(MetadataConflictError, match="two inputs"):
        read([NIFTI], [NIFTI])


def test_a_scan_that_was_not_sent_is_missed_by_name():
    with pytest.raises(MissingImageError, match="'pet'"):
        read(pet_files=[])


def test_a_file_that_does_not_say_what_it_is_needs_a_name():
    with pytest.raises(UnsuitableImageError, match="which input"):
        read([NIFTI], [], named=False)


@pytest.mark.parametrize("files", [
    mri(shape=(30, 60, 64)), mri(shape=(56, 60, 64), spacing=(1.2, 1.2), step=1.5), [volume_file(zoom=1.2)],
], ids=["few", "small", "small-nifti"])  # fmt: skip
def test_what_is_no_whole_head_is_refused(files):
    with pytest.raises(UnsuitableImageError, match="No image fits the input mri: "):
        read(files)


def test_a_constant_volume_is_not_evaluable():
    with pytest.raises(NotEvaluableError):
        read(mri(scan=lambda points: np.full(points.shape[1:], 7, "<i2")))


def test_nor_is_one_whose_grid_is_oblique():
    """Between its voxels nothing is exactly 7 any more."""
    with pytest.raises(NotEvaluableError):
        read(mri(OBLIQUE, spacing=(1.3, 2.1), scan=lambda points: np.full(points.shape[1:], 7, "<i2")))


def test_a_nifti_that_does_not_say_how_the_patient_lies_is_refused():
    with pytest.raises(UnsuitableImageError, match="how the patient lies"):
        read([without_orientation(NIFTI)])


def without_orientation(data):
    plain = bytearray(gzip.decompress(data))
    plain[252:256] = bytes(4)
    return bytes(plain)


SLICE = head(np.stack(np.broadcast_arrays(0.0, *np.meshgrid(np.linspace(-80, 80, 96), np.linspace(85, -75, 96)))))


def slice_file(orientation, **attributes):
    return mr_slice(SLICE, [0, -80, 85], orientation, (1.7, 1.7), 0, **PERSON | attributes)


@pytest.mark.parametrize(("data", "words"), [
    (slice_file(SAGITTAL), "nothing shows that it is the middle one"),
    (slice_file(SAGITTAL, ImagePositionPatient=None), "nothing shows which plane it is"),
    (png(SLICE.astype("u2")), "nothing shows which plane it is"),
])  # fmt: skip
def test_a_single_slice_is_read_as_it_is_with_a_reservation(data, words):
    reading = read([data])
    check = checks(reading, "plane")["mri"]
    assert not check.passed
    assert words in check.detail
    assert reading.images[0].plane is None
    assert (reading.images[0].rows, reading.images[0].columns) == (96, 96)


@pytest.mark.parametrize(("orientation", "words"), [
    ([1, 0, 0, 0, 1, 0], "not sagittal"), (CORONAL, "not sagittal"), ([0, -1, 0, 0, 0, -1], "turned or mirrored"),
    ([0, 0, -1, 0, 1, 0], "turned or mirrored"),
])  # fmt: skip
def test_a_single_slice_of_another_plane_is_refused(orientation, words):
    with pytest.raises(UnsuitableImageError, match=words):
        read([slice_file(orientation)])


def test_a_plane_decodes_no_slice_that_it_does_not_cross():
    far_away = mri(SAGITTAL, shape=(56, 60, 64))
    broken = [data[:-100] + bytes(range(100)) if index in {0, 55} else data for index, data in enumerate(far_away)]
    one, other = read(far_away), read(broken)
    assert np.array_equal(one.tensors["mri"], other.tensors["mri"])
    assert one.images[0].sha256 != other.images[0].sha256


def test_a_truncated_slice_anywhere_is_a_refusal():
    with pytest.raises((UnreadableImageError, UnsuitableImageError)):
        read([*MRI[:20], MRI[20][:-50], *MRI[21:]])


@needs_data
def test_a_real_series_is_answered_in_a_few_seconds():
    with tarfile.open(DATA / "alzheimer" / "t1_dicom_series_studyforrest.tar.xz") as archive:
        files = [archive.extractfile(member).read() for member in archive.getmembers() if member.isfile()]
    reading = read(files, [(DATA / "alzheimer" / "mni_icbm152_t1.nii.gz").read_bytes()], {**SCORES, "age_years": 47.0})
    assert reading.images[0].files == 384
    assert reading.metadata["sex"].source == "dicom"
    assert sum(reading.timing_ms.values()) < 5000
    assert not checks(reading, "body_part")["mri"].passed  # its header does not state one


@needs_data
@pytest.mark.parametrize("name", ["ACRIN_FLT_PT_1", "ACRIN_FLT_PT_2", "GH610_PT_GE_128"])
def test_a_real_pet_slice_that_is_no_sagittal_head_is_refused(name):
    with pytest.raises(UnsuitableImageError):
        read(pet_files=[(DATA / "alzheimer" / "pet_dicom" / f"{name}.dcm").read_bytes()], metadata=SCORES)
