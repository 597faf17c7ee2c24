"""A series becomes one volume by where its slices lie, and what is no regular stack is refused by name."""

import io
import tarfile
import tracemalloc

import numpy as np
import pydicom
import pytest

from models.decode import Limits, read_header
from models.decode.series import decode_series
from models.decode.volume import VOLUME_LIMITS
from models.decode.volumes import read_volume
from models.errors import MetadataConflictError, MissingImageError, StudyError, TooLargeError, UnreadableImageError, UnsuitableImageError
from tests.models.decode.real import DATA, needs_data
from tests.models.decode.synthetic import EXPLICIT, J2K, LOSSLESS_SV1, LS, RLE, dicom, png, radiograph
from tests.models.decode.synthetic_volume import (
    AXIAL,
    CENTRE,
    CORONAL,
    CT,
    OBLIQUE,
    PET,
    SAGITTAL,
    ball,
    centroid,
    grid,
    mr_slice,
    slices,
)  # fmt: skip

SMALL = {"shape": (6, 10, 12)}


def refused(parts, error, message):
    with pytest.raises(error, match=message) as caught:
        read_volume(parts)
    return caught.value


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("orientation", [AXIAL, CORONAL, SAGITTAL, OBLIQUE, [-1, 0, 0, 0, -1, 0], [0, -1, 0, 0, 0, 1]])
def test_a_ball_lies_where_it_was_put_however_it_was_scanned(orientation, descending):
    volume = read_volume(slices(orientation, descending=descending))
    assert volume.shape == (30, 40, 44)
    assert np.abs(centroid(volume.voxels(), volume.affine) - CENTRE).max() < 0.05
    assert np.allclose(volume.affine, grid(orientation)[1], atol=1e-5)


def test_any_order_of_the_files_gives_the_same_volume_to_the_bit():
    parts = slices(OBLIQUE)
    expected = read_volume(parts)
    for seed in range(3):
        shuffled = [parts[index] for index in np.random.default_rng(seed).permutation(len(parts))]
        volume = read_volume(shuffled)
        assert volume.voxels().tobytes() == expected.voxels().tobytes()
        assert volume.affine.tobytes() == expected.affine.tobytes()
        assert (volume.files, volume.header) == (expected.files, expected.header)


def test_the_header_and_the_provenance_are_those_of_the_files():
    volume = read_volume(slices(**SMALL))
    assert (volume.header.modality, volume.header.series_instance_uid, volume.header.frame_of_reference_uid) == ("MR", "2.25.20", "2.25.40")
    assert [file.sop_instance_uid for file in volume.files] == [f"2.25.{1000 + index}" for index in range(6)]
    assert len({file.sha256 for file in volume.files}) == 6
    assert volume.header.patient_digest


@pytest.mark.parametrize("syntax", [RLE, LOSSLESS_SV1, LS, J2K])
def test_a_compressed_series_is_the_native_one(syntax):
    native, compressed = (
        read_volume(slices(scan=lambda points: ball(points).astype("<u2"), syntax=each, shape=(6, 40, 44)))
        for each in (EXPLICIT, syntax)
    )
    assert np.array_equal(native.voxels(), compressed.voxels())
    assert native.decoder != compressed.decoder


def test_every_pet_slice_is_rescaled_by_its_own_slope():
    attributes = {
        index: {"SOPClassUID": PET, "Modality": "PT", "Units": "BQML", "RescaleSlope": f"{0.5 + index}", "RescaleIntercept": "0"}
        for index in range(6)
    }
    plain, pet = read_volume(slices(**SMALL)), read_volume(slices(attributes=attributes, **SMALL))
    assert (pet.header.units, pet.header.modality) == ("BQML", "PT")
    for index in range(6):
        assert np.array_equal(pet.slice(index), plain.slice(index) * np.float32(0.5 + index))


@pytest.mark.parametrize("missing", [[3], [2, 3], [1, 4]])
def test_a_gap_is_named(missing):
    parts = [part for index, part in enumerate(slices(**SMALL)) if index not in missing]
    refused(parts, UnsuitableImageError, f"gap: about {len(missing)} of its slices are missing")


def test_a_tilted_gantry_shears_the_volume_and_the_ball_stays():
    positions, _ = grid(AXIAL)
    rows, columns = np.indices((40, 44))
    parts = []
    for index, straight in enumerate(positions):
        position = straight + np.array([0, 0.4 * index, 0])
        points = position[:, None, None] + np.array([1.25 * columns, 1.5 * rows, 0 * rows])
        parts.append(mr_slice(ball(points), position, AXIAL, (1.5, 1.25), index))
    volume = read_volume(parts)
    assert np.abs(centroid(volume.voxels(), volume.affine) - CENTRE).max() < 0.05


@pytest.mark.parametrize(("shift", "error"), [([0, 0, 0.5], "equal steps"), ([0, 0.5, 0], "equal steps"), ([0, 0, 0.05], None)])
def test_a_slice_beside_the_grid_is_refused_and_a_rounded_one_is_not(shift, error):
    moved = {3: {"ImagePositionPatient": [f"{each:.6f}" for each in grid(AXIAL, **SMALL)[0][3] + shift]}}
    parts = slices(attributes=moved, **SMALL)
    if error is None:
        assert read_volume(parts).shape == (6, 10, 12)
    else:
        refused(parts, UnsuitableImageError, error)


def again(parts, **different):
    """The series, and slice 2 once more."""
    position = grid(AXIAL, **SMALL)[0][2]
    rows, columns = np.indices((10, 12))
    pixels = ball(position[:, None, None] + np.array([1.25 * columns, 1.5 * rows, 0 * rows]))
    pixels = different.pop("pixels", pixels)
    return [*parts, mr_slice(pixels, position, AXIAL, (1.5, 1.25), 99, **different)]


@pytest.mark.parametrize(("different", "reason"), [
    ({"EchoTime": "80"}, "differ in echo time"),
    ({"TemporalPositionIdentifier": "2"}, "differ in temporal position"),
    ({"ImageType": ["ORIGINAL", "PRIMARY", "P"]}, "differ in image type"),
    ({"AcquisitionNumber": "2"}, "differ in acquisition"),
    ({}, "with the same pixels"),
    ({"pixels": np.ones((10, 12), "<i2")}, "with different pixels"),
])  # fmt: skip
def test_a_position_that_is_taken_twice_is_refused_and_why(different, reason):
    refused(again(slices(**SMALL), **different), UnsuitableImageError, reason)


def test_an_instance_that_came_twice_is_told_so():
    parts = slices(**SMALL)
    refused([*parts, parts[3]], UnsuitableImageError, "sent twice")


def test_two_instances_of_one_uid_contradict_each_other():
    refused(again(slices(**SMALL), SOPInstanceUID="2.25.1002", EchoTime="80"), MetadataConflictError, "same SOP Instance UID")


@pytest.mark.parametrize(("different", "error", "reason"), [
    ({"SeriesInstanceUID": "2.25.21"}, UnsuitableImageError, "differ in their series"),
    ({"FrameOfReferenceUID": "2.25.41"}, UnsuitableImageError, "frame of reference"),
    ({"StudyInstanceUID": "2.25.31"}, MetadataConflictError, "more than one study"),
    ({"PatientID": "B"}, MetadataConflictError, "more than one patient"),
    ({"PatientID": None}, MetadataConflictError, "more than one patient"),
    ({"Modality": "CT"}, UnsuitableImageError, "differ in their modality"),
    ({"SOPClassUID": CT}, UnsuitableImageError, "differ in their SOP class"),
    ({"PhotometricInterpretation": "MONOCHROME1"}, UnsuitableImageError, "photometric"),
    ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, UnsuitableImageError, "localizer"),
    ({"ImageOrientationPatient": SAGITTAL}, UnsuitableImageError, "several orientations"),
    ({"PixelSpacing": [1.5, 1.3]}, UnsuitableImageError, "Pixel Spacing"),
    ({"Units": "CNTS"}, UnsuitableImageError, "units"),
    ({"ImagePositionPatient": None}, UnsuitableImageError, "Image Position Patient .* is missing"),
    ({"ImageOrientationPatient": None}, UnsuitableImageError, "Image Orientation Patient .* is missing"),
    ({"PixelSpacing": None}, UnsuitableImageError, "Pixel Spacing .* is missing"),
    ({"PixelSpacing": [0, 1]}, UnreadableImageError, "Pixel Spacing"),
    ({"PixelSpacing": [1]}, UnreadableImageError, "not 2 usable numbers"),
    ({"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]}, UnreadableImageError, "right angle"),
    ({"ImageOrientationPatient": [0, 0, 0, 0, 0, 0]}, UnreadableImageError, "unit vectors"),
    ({"ImagePositionPatient": ["1e9", "0", "0"]}, UnreadableImageError, "not 3 usable numbers"),
    ({"RescaleSlope": "0", "RescaleIntercept": "0"}, UnreadableImageError, "Rescale Slope"),
])  # fmt: skip
def test_one_slice_that_does_not_belong_is_refused_by_name(different, error, reason):
    refused(slices(attributes={3: different}, **SMALL), error, reason)


def test_slices_of_another_size_are_refused():
    positions, _ = grid(AXIAL, **SMALL)
    small = mr_slice(np.ones((9, 12), "<i2"), positions[5], AXIAL, (1.5, 1.25), 5)
    refused([*slices(**SMALL)[:5], small], UnsuitableImageError, "number of rows")


def test_a_series_in_monochrome1_is_refused():
    parts = slices(attributes={index: {"PhotometricInterpretation": "MONOCHROME1"} for index in range(6)}, **SMALL)
    refused(parts, UnsuitableImageError, "not MONOCHROME2")


def test_a_pet_series_that_says_it_has_more_slices_is_not_whole():
    every = {"SOPClassUID": PET, "Modality": "PT", "NumberOfSlices": 7}
    refused(slices(attributes=dict.fromkeys(range(6), every), **SMALL), UnsuitableImageError, "Slices are missing")


def test_what_is_no_series_is_refused():
    refused([], MissingImageError, "No instance")
    refused([png(np.zeros((9, 9), "u1"))] * 2, UnsuitableImageError, "picture")
    refused([dicom(radiograph())], UnsuitableImageError, "is missing")


def test_a_single_slice_needs_its_thickness():
    one = slices(**SMALL)[:1]
    assert read_volume(one).shape == (1, 10, 12)
    refused(slices(attributes={0: {"SliceThickness": None}}, **SMALL)[:1], UnsuitableImageError, "thickness")


@pytest.mark.parametrize(("limits", "word"), [
    (Limits(max_frames=5, max_pixels=10**9), "max_frames"), (Limits(max_frames=6, max_pixels=6 * 120 - 1), "max_pixels"),
])  # fmt: skip
def test_limits_hold_for_all_slices_together(limits, word):
    parts = slices(**SMALL)
    headers = [read_header(part, limits) for part in parts]
    tracemalloc.start()
    with pytest.raises(TooLargeError, match=word):
        decode_series(parts, headers, limits)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100_000


def test_a_broken_slice_is_a_refusal_when_it_is_read():
    parts = slices(syntax=RLE, **SMALL)
    parts[2] = parts[2][:-40] + b"\x7f" * 30 + parts[2][-10:]
    with pytest.raises(StudyError):
        read_volume(parts).voxels()


@pytest.fixture(scope="module")
def t1_series():
    with tarfile.open(next((DATA / "alzheimer").glob("t1_dicom_series_*.tar.xz"))) as archive:
        return [archive.extractfile(member).read() for member in archive if member.isfile() and member.name.endswith(".dcm")]


@needs_data
def test_a_real_series_in_any_order_is_one_volume(t1_series):
    volume = read_volume(t1_series)
    assert volume.shape == (384, 384, 274)
    positions = [header.sop_instance_uid for header in (read_header(part, VOLUME_LIMITS) for part in t1_series)]
    assert sorted(positions) == sorted(file.sop_instance_uid for file in volume.files)
    shuffled = read_volume([t1_series[index] for index in np.random.default_rng(1).permutation(384)])
    assert shuffled.files == volume.files
    assert np.array_equal(shuffled.slice(200), volume.slice(200))


@needs_data
def test_the_voxels_of_a_real_series_are_those_of_its_files(t1_series):
    volume = read_volume(t1_series)
    theirs = [pydicom.dcmread(io.BytesIO(part)) for part in t1_series]
    normal = np.cross(*np.reshape(theirs[0].ImageOrientationPatient, (2, 3)).astype(float))
    theirs.sort(key=lambda each: np.dot(normal, np.array(each.ImagePositionPatient, float)))
    for index in (0, 100, 383):
        assert np.array_equal(volume.slice(index), theirs[index].pixel_array)
        placed = volume.affine @ [index, 0, 0, 1]
        assert np.abs(placed[:3] - np.array(theirs[index].ImagePositionPatient, float)).max() < 0.01


@needs_data
def test_a_real_series_without_one_slice_has_a_gap(t1_series):
    refused(t1_series[:50] + t1_series[51:], UnsuitableImageError, "about 1 of its slices")


@needs_data
def test_a_whole_real_series_takes_its_array_and_little_more(t1_series):
    volume = read_volume(t1_series)
    tracemalloc.start()
    voxels = volume.voxels()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < voxels.nbytes + 4_000_000


@needs_data
def test_real_pet_slices_of_several_studies_are_refused():
    parts = [path.read_bytes() for path in sorted((DATA / "alzheimer" / "pet_dicom").glob("*.dcm"))]
    with pytest.raises(StudyError, match="more than one"):
        read_volume(parts)


@needs_data
def test_a_real_pet_slice_is_in_its_units():
    data = (DATA / "alzheimer" / "pet_dicom" / "ACRIN_FLT_PT_1.dcm").read_bytes()
    refused([data], UnsuitableImageError, "fewer than Number Of Slices")
    theirs = pydicom.dcmread(io.BytesIO(data))
    theirs.NumberOfSlices = 1
    theirs.save_as(out := io.BytesIO())
    volume = read_volume([out.getvalue()])
    assert (volume.header.units, volume.header.modality) == ("BQML", "PT")
    assert np.allclose(volume.slice(0), theirs.pixel_array * float(theirs.RescaleSlope), rtol=1e-6)
