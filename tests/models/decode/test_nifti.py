"""NIfTI by hand and by nibabel: the same voxels in the same places; and headers that lie are refused before memory is spent."""

import gzip
import struct
import tracemalloc

import nibabel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.decode import Limits
from models.decode.nifti import decode_nifti, is_nifti
from models.decode.volume import VOLUME_LIMITS
from models.decode.volumes import read_volume
from models.errors import StudyError, TooLargeError, UnreadableImageError, UnsuitableImageError, UnsupportedFormatError
from tests.models.decode.real import DATA, needs_data
from tests.models.decode.synthetic import dicom
from tests.models.decode.synthetic_volume import CENTRE, ball, centroid, nifti

LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
TYPES = ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"]
CUBE = np.arange(2 * 3 * 4, dtype="<i2").reshape(2, 3, 4)


def turned(rotation_vector, zooms, flips, offset):
    """An affine by Rodrigues' formula."""
    angle = np.linalg.norm(rotation_vector)
    x, y, z = rotation_vector / angle if angle else (1.0, 0.0, 0.0)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    rotation = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    affine = np.eye(4)
    affine[:3, :3] = rotation @ np.diag(np.array(zooms) * flips)
    affine[:3, 3] = offset
    return affine


small = st.floats(-3, 3, allow_subnormal=False)
AFFINES = st.builds(
    turned,
    st.tuples(small, small, small).map(np.array),
    st.tuples(*[st.floats(0.3, 5)] * 3),
    st.tuples(*[st.sampled_from([-1, 1])] * 3),
    st.tuples(*[st.floats(-200, 200)] * 3),
)


def written(image, *, compressed):
    data = image.to_bytes()
    return gzip.compress(data) if compressed else data


def same(data, image):
    """Our volume is nibabel's image: voxels to float32, affine in the other coordinates and in the order of our axes."""
    volume = decode_nifti(data, VOLUME_LIMITS)
    theirs = np.asarray(image.dataobj, np.float64).astype(np.float32)
    theirs = theirs.reshape(theirs.shape[:3])
    assert np.array_equal(volume.voxels(), theirs.transpose(2, 1, 0))
    assert np.allclose(volume.affine, (LPS @ image.affine)[:, [2, 1, 0, 3]], atol=2e-3)
    return volume


@settings(max_examples=60, deadline=None)
@given(AFFINES, st.data())
def test_voxels_and_places_are_those_of_nibabel(affine, data):
    kind, version, order = (data.draw(st.sampled_from(each)) for each in (TYPES, [1, 2], ["<", ">"]))
    compressed = data.draw(st.booleans())
    by_qform = version == 1 and data.draw(st.booleans())  # nibabel refuses its own double-precision quaternions of half a turn
    shape = data.draw(st.tuples(*[st.integers(1, 6)] * 3))
    generator = np.random.default_rng(data.draw(st.integers(0, 99)))
    limits = (-100, 100) if kind[0] in "if" else (0, 200)
    voxels = generator.integers(*limits, shape).astype(kind)
    maker = {1: nibabel.Nifti1Image, 2: nibabel.Nifti2Image}[version]
    image = maker(voxels, affine, maker.header_class(endianness=order), dtype=voxels.dtype)
    if by_qform:
        image.header.set_sform(None, code=0)
        image.header.set_qform(affine, code=1)
    else:
        image.header.set_sform(affine, code=2)
        image.header.set_qform(np.eye(4), code=1)
    image.header["xyzt_units"] = 2
    bytes_of_it = written(image, compressed=compressed)
    same(bytes_of_it, maker.from_bytes(gzip.decompress(bytes_of_it) if compressed else bytes_of_it))


@pytest.mark.parametrize(("slope", "intercept"), [(0.5, -3), (-2, 1), (0, 7), (np.nan, 7), (np.nan, np.nan), (1e-5, 0)])
@pytest.mark.parametrize("kind", ["u1", "i2", "f4", "f8"])
def test_scaling_is_that_of_nibabel(slope, intercept, kind):
    data = nifti(CUBE.astype(kind), np.eye(4), scl_slope=slope, scl_inter=intercept)
    volume = decode_nifti(data, VOLUME_LIMITS)
    expected = nibabel.Nifti1Image.from_bytes(data).get_fdata()
    assert np.allclose(volume.voxels(), expected.transpose(2, 1, 0), rtol=1e-6)


@settings(max_examples=25, deadline=None)
@given(AFFINES)
def test_a_ball_lies_where_it_was_put_whatever_the_affine(affine):
    zooms = np.linalg.norm(affine[:3, :3], axis=0)
    shape = tuple(int(each) for each in np.ceil(60 / zooms).clip(1, 90))
    affine[:3, 3] = (LPS @ [*CENTRE, 1])[:3] - affine[:3, :3] @ (np.array(shape) / 2.3)
    points = affine[:3, :3] @ np.indices(shape).reshape(3, -1) + affine[:3, 3:]
    voxels = ball((LPS[:3, :3] @ points).reshape(3, *shape))
    volume = read_volume([nifti(voxels, affine)])
    assert np.abs(centroid(volume.voxels(), volume.affine) - CENTRE).max() < 0.1 * zooms.max()


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("compressed", [False, True])
def test_a_file_by_hand_is_read_in_both_byte_orders(order, compressed):
    data = nifti(CUBE, np.diag([2, 3, 4, 1]), order=order, compressed=compressed)
    volume = decode_nifti(data, VOLUME_LIMITS)
    assert is_nifti(data)
    assert np.array_equal(volume.voxels(), CUBE.transpose(2, 1, 0))
    assert np.array_equal(volume.affine, [[0, 0, -2, 0], [0, -3, 0, 0], [4, 0, 0, 0], [0, 0, 0, 1]])


@pytest.mark.parametrize(("units", "scale"), [(0, 1), (1, 1000), (2, 1), (3, 0.001), (10, 1)])
def test_units_of_length_become_mm(units, scale):
    volume = decode_nifti(nifti(CUBE, np.eye(4), xyzt_units=units), VOLUME_LIMITS)
    assert np.allclose(np.linalg.norm(volume.affine[:3, :3], axis=0), scale)


def test_without_sform_and_qform_the_size_of_a_voxel_is_known_and_how_the_patient_lies_is_not():
    volume = decode_nifti(nifti(CUBE, np.eye(4), sform_code=0, pixdim=(1, 2, 3, 4, 1, 1, 1, 1)), VOLUME_LIMITS)
    assert np.array_equal(np.linalg.norm(volume.affine[:3, :3], axis=0), [4, 3, 2])
    assert not volume.oriented


def test_half_a_turn_has_no_first_part_in_its_quaternion():
    fields = {"sform_code": 0, "qform_code": 1, "quatern": (0.0, 0.0, 1.0, 5.0, 6.0, 7.0), "pixdim": (-1, 1, 1, 1, 1, 1, 1, 1)}
    data = nifti(CUBE, np.eye(4), **fields)
    expected = nibabel.Nifti1Image.from_bytes(data).affine
    assert np.allclose(decode_nifti(data, VOLUME_LIMITS).affine, (LPS @ expected)[:, [2, 1, 0, 3]], atol=1e-6)


@pytest.mark.parametrize("axis", [(0, 1, 0), (1, 1, 0), (1, 2, 3), (-3, 1, 0.1)])
@pytest.mark.parametrize("angle", [np.pi - 1e-2, np.pi - 1e-3, np.pi - 1e-4, np.pi - 1e-6, 1e-5])
@pytest.mark.parametrize("version", [1, 2])
def test_a_qform_of_nearly_half_a_turn_is_what_was_written(axis, angle, version):
    affine = turned(angle * np.array(axis) / np.linalg.norm(axis), (1, 2, 5), (1, 1, 1), (3, 4, 5))
    image = {1: nibabel.Nifti1Image, 2: nibabel.Nifti2Image}[version](CUBE, affine, dtype="i2")
    image.header.set_sform(None, code=0)
    image.header.set_qform(affine, code=1)
    if version == 1:
        same(image.to_bytes(), nibabel.Nifti1Image.from_bytes(image.to_bytes()))
    expected = (LPS @ affine)[:, [2, 1, 0, 3]]
    assert np.allclose(decode_nifti(image.to_bytes(), VOLUME_LIMITS).affine, expected, atol=5 * 1e-3)


def test_one_volume_in_four_dimensions_is_read_and_two_are_refused():
    one = nifti(CUBE.reshape(2, 3, 4, 1), np.eye(4))
    assert decode_nifti(one, VOLUME_LIMITS).shape == (4, 3, 2)
    with pytest.raises(UnsuitableImageError, match="more than one volume"):
        decode_nifti(nifti(CUBE.reshape(2, 3, 2, 2), np.eye(4)), VOLUME_LIMITS)


def test_nan_is_nothing_and_infinity_is_refused():
    voxels = np.ones((2, 3, 4), "<f4")
    voxels[0, 0, 0] = np.nan
    volume = decode_nifti(nifti(voxels, np.eye(4)), VOLUME_LIMITS)
    assert (volume.voxels()[0, 0, 0], volume.voxels().sum()) == (0, 23)
    voxels[1, 1, 2] = -np.inf
    volume = decode_nifti(nifti(voxels, np.eye(4)), VOLUME_LIMITS)
    volume.slice(0)
    with pytest.raises(UnreadableImageError, match="infinite"):
        volume.slice(2)


def test_what_float32_cannot_hold_is_refused():
    with pytest.raises(UnreadableImageError, match="infinite"):
        decode_nifti(nifti(np.full((2, 2, 2), 1e300), np.eye(4)), VOLUME_LIMITS).slice(0)


@pytest.mark.parametrize(("fields", "error"), [
    ({"dim": (3, 32767, 32767, 32767, 1, 1, 1, 1)}, TooLargeError),
    ({"dim": (3, 2, 3, 5000, 1, 1, 1, 1)}, TooLargeError),
    ({"dim": (3, -2, 3, 4, 1, 1, 1, 1)}, UnreadableImageError),
    ({"dim": (3, 0, 3, 4, 1, 1, 1, 1)}, UnreadableImageError),
    ({"dim": (0, 2, 3, 4, 1, 1, 1, 1)}, UnreadableImageError),
    ({"dim": (8, 2, 3, 4, 1, 1, 1, 1)}, UnreadableImageError),
    ({"dim": (3, 2, 3, 3, 1, 1, 1, 1)}, UnreadableImageError),
    ({"dim": (3, 2, 3, 5, 1, 1, 1, 1)}, UnreadableImageError),
    ({"dim": (5, 2, 3, 1, 1, 4, 1, 1)}, UnsuitableImageError),
    ({"datatype": 128, "bitpix": 24}, UnsuitableImageError),
    ({"datatype": 2304, "bitpix": 32}, UnsuitableImageError),
    ({"datatype": 32, "bitpix": 64}, UnsupportedFormatError),
    ({"datatype": 1536, "bitpix": 128}, UnsupportedFormatError),
    ({"datatype": 1, "bitpix": 1}, UnsupportedFormatError),
    ({"datatype": 0}, UnsupportedFormatError),
    ({"bitpix": 8}, UnreadableImageError),
    ({"vox_offset": 0}, UnreadableImageError),
    ({"vox_offset": 348}, UnreadableImageError),
    ({"vox_offset": 352.5}, UnreadableImageError),
    ({"vox_offset": np.nan}, UnreadableImageError),
    ({"vox_offset": 3e9}, UnreadableImageError),
    ({"vox_offset": 368}, UnreadableImageError),
    ({"scl_slope": np.inf}, UnreadableImageError),
    ({"scl_slope": 2, "scl_inter": np.nan}, UnreadableImageError),
    ({"srow": (0,) * 12}, UnreadableImageError),
    ({"srow": (np.nan,) * 12}, UnreadableImageError),
    ({"srow": (1, 1, 0, 0, 1, 1, 0, 0, 0, 0, 1, 0)}, UnreadableImageError),
    ({"srow": (1e9, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0)}, UnreadableImageError),
    ({"sform_code": 0, "qform_code": 1, "quatern": (1, 1, 1, 0, 0, 0)}, UnreadableImageError),
    ({"sform_code": 0, "qform_code": 1, "quatern": (np.nan, 0, 0, 0, 0, 0)}, UnreadableImageError),
    ({"sform_code": 0, "pixdim": (1, 0, 1, 1, 1, 1, 1, 1)}, UnreadableImageError),
    ({"xyzt_units": 5}, UnreadableImageError),
    ({"magic": b"ni1\0"}, UnsupportedFormatError),
    ({"magic": b"n+3\0"}, UnsupportedFormatError),
    ({"sizeof_hdr": 540}, UnsupportedFormatError),
])  # fmt: skip
@pytest.mark.parametrize("compressed", [False, True])
def test_a_header_that_lies_is_refused_before_memory_is_spent(fields, error, compressed):
    data = nifti(CUBE, np.eye(4), compressed=compressed, **fields)
    tracemalloc.start()
    try:
        with pytest.raises(error):
            decode_nifti(data, VOLUME_LIMITS)
        assert tracemalloc.get_traced_memory()[1] < 300_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("cut", [1, 100, 347, 351, 360, 380])
@pytest.mark.parametrize("compressed", [False, True])
def test_a_truncated_file_is_refused(cut, compressed):
    data = nifti(CUBE, np.eye(4))[:cut]
    with pytest.raises(StudyError):
        decode_nifti(gzip.compress(data) if compressed else data, VOLUME_LIMITS)


def test_a_damaged_or_continued_gzip_is_refused():
    data = bytearray(nifti(np.random.default_rng(1).integers(0, 99, (9, 9, 9)).astype("<i2"), np.eye(4), compressed=True))
    for broken in (data[:-9], [*data[:-5], data[-5] ^ 1, *data[-4:]], data + b"\0", data + data):
        with pytest.raises(UnreadableImageError):
            decode_nifti(bytes(broken), VOLUME_LIMITS)


def test_a_bomb_is_refused_by_its_header_or_stopped_where_its_header_ends():
    zeros = np.zeros((400, 400, 100), "<i2")
    with pytest.raises(TooLargeError, match="max_inflation"):
        decode_nifti(nifti(zeros, np.eye(4), compressed=True), VOLUME_LIMITS)
    bomb = gzip.compress(nifti(CUBE, np.eye(4)) + bytes(100_000_000))
    tracemalloc.start()
    with pytest.raises(UnreadableImageError, match="longer than its header says"):
        decode_nifti(bomb, VOLUME_LIMITS)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


def test_limits_on_voxels_bound_bytes_too():
    data = nifti(CUBE.astype("<f8"), np.eye(4))
    assert decode_nifti(data, Limits(max_pixels=48, max_frames=4)).shape == (4, 3, 2)
    with pytest.raises(TooLargeError, match="bytes"):
        decode_nifti(data, Limits(max_pixels=47, max_frames=4))


def test_a_nifti_file_comes_alone():
    data = nifti(CUBE, np.eye(4))
    for parts in ([data, data], [data, dicom()]):
        with pytest.raises(UnsuitableImageError, match="has to come alone"):
            read_volume(parts)


@pytest.mark.parametrize("data", [
    b"", b"\x1f\x8b\x08", gzip.compress(b"no", mtime=0), b"\x5c\x01\0\0", struct.pack("<i", 348) + bytes(400), dicom(),
])  # fmt: skip
def test_what_is_no_nifti_is_told_apart(data):
    assert not is_nifti(data)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 351), st.binary(min_size=1, max_size=8))
def test_a_header_with_any_bytes_in_it_is_read_or_refused(position, noise):
    data = bytearray(nifti(CUBE, np.eye(4)))
    data[position : position + len(noise)] = noise
    try:
        decode_nifti(bytes(data[: 352 + CUBE.nbytes]), VOLUME_LIMITS).voxels()
    except StudyError:
        return


@needs_data
def test_the_real_template_is_that_of_nibabel():
    path = DATA / "alzheimer" / "mni_icbm152_t1.nii.gz"
    volume = same(path.read_bytes(), nibabel.load(path))
    assert volume.oriented
