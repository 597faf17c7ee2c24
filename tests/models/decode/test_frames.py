"""Frames of multi-frame objects: those of pydicom, one at a time, in every transfer syntax and behind every offset table."""

import tracemalloc
import warnings
from itertools import product

import numpy as np
import pydicom
import pytest

from models.decode import Limits, decode, read_header
from models.decode.frames import Frames
from models.decode.grayscale import Window
from models.decode.series import decode_frames
from models.decode.volume import VOLUME_LIMITS
from models.decode.volumes import read_volume
from models.errors import StudyError, TooLargeError, UnreadableImageError, UnsuitableImageError
from tests.models.decode.real import DATA, needs_data
from tests.models.decode.synthetic import (
    BIG,
    EXPLICIT,
    HTJ2K,
    HTJ2K_RPCL,
    IMPLICIT,
    J2K,
    LIMITS,
    LOSSLESS,
    LOSSLESS_SV1,
    LS,
    RLE,
    dicom,
    instance,
    radiograph,
    written,
)  # fmt: skip
from tests.models.decode.synthetic_volume import (
    AXIAL,
    CENTRE,
    CORONAL,
    ENHANCED_PET,
    OBLIQUE,
    SAGITTAL,
    ball,
    centroid,
    enhanced,
    grid,
    item,
    mr_slice,
)  # fmt: skip

SHAPE = (9, 40, 44)
DEFLATED = "1.2.840.10008.1.2.1.99"


def stored(orientation=AXIAL, shape=SHAPE):
    """(frames, rows, columns) and where each lies."""
    positions, affine = grid(orientation, shape=shape)
    points = np.indices(shape).reshape(3, -1)
    return ball((affine[:3, :3] @ points + affine[:3, 3:]).reshape(3, *shape)).astype("<u2"), positions


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG, DEFLATED, RLE, LOSSLESS, LOSSLESS_SV1, LS, J2K, HTJ2K, HTJ2K_RPCL])
def test_every_frame_is_what_was_written_in_every_syntax(syntax):
    values, positions = stored()
    volume = read_volume([enhanced(values, positions, syntax=syntax)])
    assert volume.shape == SHAPE
    assert np.array_equal(volume.voxels(), values.astype(np.float32))


@pytest.mark.parametrize(("syntax", "table"), [
    *product((RLE, LOSSLESS_SV1, LS, J2K, HTJ2K), ("basic", "none", "extended")), *product((LOSSLESS_SV1, LS, J2K, HTJ2K), ("fragments",)),
])  # fmt: skip
def test_frames_are_found_behind_every_table_and_without_one(syntax, table):
    values, positions = stored(shape=(3, 40, 44))
    volume = read_volume([enhanced(values, positions, syntax=syntax, table=table)])
    assert np.array_equal(volume.voxels(), values.astype(np.float32))


@pytest.mark.parametrize("orientation", [AXIAL, CORONAL, SAGITTAL, OBLIQUE])
def test_frames_in_any_order_are_sorted_by_their_position(orientation):
    values, positions = stored(orientation, (30, 40, 44))
    order = np.random.default_rng(3).permutation(30)
    volume = read_volume([enhanced(values[order], [positions[index] for index in order], orientation)])
    assert np.array_equal(volume.voxels(), values.astype(np.float32))
    assert np.abs(centroid(volume.voxels(), volume.affine) - CENTRE).max() < 0.05


def test_every_frame_has_its_own_rescale():
    values, positions = stored()
    slopes = [f"{0.25 * (1 + index)}" for index in range(9)]
    volume = read_volume([enhanced(values, positions, slopes=slopes, SOPClassUID=ENHANCED_PET, Modality="PT")])
    assert (volume.header.units, volume.header.modality) == ("BQML", "PT")
    for index in range(9):
        assert np.array_equal(volume.slice(index), values[index] * np.float32(slopes[index]) - 5)


def test_a_real_world_value_mapping_changes_nothing():
    values, positions = stored()
    mapping = item(RealWorldValueIntercept=100.0, RealWorldValueSlope=3.0)
    own = {index: {"RealWorldValueMappingSequence": [mapping]} for index in range(9)}
    assert np.array_equal(read_volume([enhanced(values, positions, own=own)]).voxels(), values)


def test_every_frame_has_its_own_window():
    values, positions = stored()
    own = {index: {"FrameVOILUTSequence": [item(WindowCenter="40", WindowWidth=f"{100 + index}")]} for index in range(9)}
    frames = Frames(enhanced(values, positions, own=own), VOLUME_LIMITS)
    assert [frames.voi(index) for index in (0, 8)] == [Window(40, 100), Window(40, 108)]


@pytest.mark.parametrize(("macros", "reason"), [
    ({"MREchoSequence": "EffectiveEchoTime"}, "echo time"),
    ({"MRDiffusionSequence": "DiffusionBValue"}, "diffusion b-value"),
    ({"FrameContentSequence": "TemporalPositionIndex"}, "temporal position"),
])  # fmt: skip
def test_two_frames_of_one_position_are_told_apart_by_their_macros(macros, reason):
    values, positions = stored()
    ((sequence, keyword),) = macros.items()
    own = {index: {sequence: [item(**{keyword: 1 + index // 9})]} for index in range(18)}
    data = enhanced(np.concatenate([values, values]), positions * 2, own=own)
    with pytest.raises(UnsuitableImageError, match=f"differ in {reason}"):
        read_volume([data])


def test_objects_of_several_frames_make_one_volume_together():
    values, positions = stored()
    parts = [enhanced(values[4:], positions[4:]), enhanced(values[:4], positions[:4], SOPInstanceUID="2.25.2")]
    volume = read_volume(parts)
    assert np.array_equal(volume.voxels(), values)
    assert [file.sop_instance_uid for file in volume.files] == ["2.25.2", "2.25.1"]


def test_frames_without_geometry_are_decoded_but_are_no_volume():
    frames = np.stack([radiograph(), radiograph()[::-1]])
    dataset = instance(frames[0], NumberOfFrames=2)
    dataset.PixelData = frames.tobytes()
    data = written(dataset)
    assert np.array_equal(np.stack([Frames(data, VOLUME_LIMITS).stored(index) for index in range(2)]), frames)
    with pytest.raises(UnsuitableImageError, match="nothing tells where the slice lies"):
        read_volume([data])


def test_frames_that_share_a_word_in_big_endian_are_told_apart():
    frames = np.random.default_rng(1).integers(0, 256, (4, 3, 5), dtype=np.uint8)
    dataset = instance(frames[0], bits=8, NumberOfFrames=4)
    dataset.PixelData = frames.tobytes()
    little = Frames(written(dataset), VOLUME_LIMITS)
    dataset.PixelData = frames.reshape(-1, 2)[:, ::-1].tobytes()
    dataset["PixelData"].VR = "OW"
    data = written(dataset, BIG)
    big = Frames(data, VOLUME_LIMITS)
    for index in range(4):
        assert np.array_equal(little.stored(index), frames[index])
        assert np.array_equal(big.stored(index), frames[index])


def test_a_model_for_one_picture_still_refuses_two_frames():
    values, positions = stored()
    with pytest.raises(TooLargeError, match="max_frames"):
        read_header(enhanced(values, positions), LIMITS)


@pytest.mark.parametrize("attributes", [{"NumberOfFrames": 1}, {}])
def test_an_object_of_exactly_one_frame_is_a_picture(attributes):
    data = dicom(**attributes)
    assert decode(data, read_header(data, LIMITS), LIMITS, apply_voi=True).pixels.shape == (70, 52)


@pytest.mark.parametrize("limits", [
    Limits(max_frames=8, max_pixels=10**8), Limits(max_frames=9, max_pixels=9 * 40 * 44 - 1), Limits(max_frames=9, max_elements=50),
])  # fmt: skip
def test_limits_are_checked_before_anything_is_decoded(limits):
    values, positions = stored()
    data = enhanced(values, positions)
    tracemalloc.start()
    with pytest.raises(TooLargeError):
        decode_frames(data, read_header(data, limits), limits)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200_000


def test_native_frames_are_not_copied():
    values = np.zeros((64, 256, 256), "<u2")
    data = enhanced(values, grid(AXIAL, shape=values.shape)[0])
    tracemalloc.start()
    volume = read_volume([data])
    volume.slice(5)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4_000_000 < values.nbytes


def test_a_volume_can_be_read_as_often_as_one_likes():
    values, positions = stored(shape=(2, 4, 4))
    data = enhanced(values, positions, slopes=["1", "2"])
    limits = Limits(max_frames=2, max_elements=200)
    volume = decode_frames(data, read_header(data, limits), limits)
    for _ in range(200):
        volume.slice(1)


@pytest.mark.parametrize("change", [-1, 1])
def test_as_many_groups_as_frames(change):
    values, positions = stored()
    with pytest.raises(UnreadableImageError, match="contradict"):
        read_volume([enhanced(values, (positions * 2)[: 9 + change])])


def test_one_broken_frame_is_refused_and_the_others_are_read():
    values, positions = stored()
    data = bytearray(enhanced(values, positions, syntax=LS))
    first = data.index(b"\xff\xd8\xff", data.index(b"\xe0\x7f\x10\x00"))
    start = data.index(b"\xff\xd8\xff", first + 2)
    data[start + 4 : start + 16] = bytes(12)
    volume = read_volume([bytes(data)])
    assert np.array_equal(volume.slice(0), values[0])
    with pytest.raises(StudyError):
        volume.slice(1)


def test_classic_slices_and_enhanced_frames_do_not_mix():
    values, positions = stored()
    parts = [enhanced(values[1:], positions[1:]), mr_slice(values[0], positions[0], AXIAL, (1.5, 1.25), 1)]
    with pytest.raises(UnsuitableImageError, match="SOP class"):
        read_volume(parts)


GREY_MULTI_FRAME = (
    "pydicom_data/emri_small.dcm", "pydicom_data/emri_small_big_endian.dcm", "pydicom_data/emri_small_RLE.dcm",
    "pydicom_data/emri_small_jpeg_2k_lossless.dcm", "pydicom_data/emri_small_jpeg_ls_lossless.dcm", "dcmjs/invalid-vr-length-test.dcm",
)  # fmt: skip


@needs_data
@pytest.mark.parametrize("name", GREY_MULTI_FRAME)
def test_real_frames_are_those_of_pydicom(name):
    path = DATA / "dicom_conformance" / name
    frames = Frames(path.read_bytes(), VOLUME_LIMITS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = pydicom.dcmread(path).pixel_array
    assert len(frames) == len(theirs)
    for index, frame in enumerate(theirs):
        assert np.array_equal(frames.stored(index), frame)


@needs_data
def test_a_real_enhanced_mr_is_one_volume():
    data = (DATA / "dicom_conformance" / "dcmjs" / "invalid-vr-length-test.dcm").read_bytes()
    volume = read_volume([data])
    assert volume.shape == (8, 256, 256)
    assert np.allclose(np.linalg.norm(volume.affine[:3, :3], axis=0), [1.3, 1, 1], atol=1e-3)


@needs_data
@pytest.mark.parametrize("name", [
    "highdicom/seg_image_ct_binary.dcm", "highdicom/sm_image_jpegls_nobot.dcm", "pydicom/test_files/rtdose.dcm",
    "pydicom/test_files/examples_ybr_color.dcm", "pydicom_data/OBXXXX1A_rle_2frame.dcm", "pydicom_data/SC_rgb_2frame.dcm",
    "pydicom_data/liver.dcm", "pydicom_data/parametric_map_float.dcm", "pydicom_data/emri_small.dcm",
    "pydicom_data/emri_small_jpeg_2k_lossless_too_short.dcm",
])  # fmt: skip
def test_real_objects_that_are_no_volume_are_refused(name):
    with pytest.raises(StudyError):
        read_volume([(DATA / "dicom_conformance" / name).read_bytes()])
