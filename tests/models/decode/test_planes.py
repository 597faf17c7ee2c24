"""Planes of the patient, whichever way a volume was scanned: the right place, the right way up, the right distances."""

import tarfile

import numpy as np
import pytest

from models.decode.geometry import canonical, nearest_axes
from models.decode.planes import mid_sagittal, section
from models.decode.volume import Volume, VolumeHeader
from models.decode.volumes import read_volume
from models.errors import TooLargeError, UnsuitableImageError
from tests.models.decode.real import DATA, needs_data
from tests.models.decode.synthetic_volume import AXIAL, CENTRE, CORONAL, OBLIQUE, SAGITTAL, centroid, mr_slice, nifti, slices

EVERY_SIDE = [AXIAL, CORONAL, SAGITTAL, [-1, 0, 0, 0, -1, 0], [0, -1, 0, 0, 0, 1], [0, 1, 0, 1, 0, 0]]


def in_memory(voxels, affine, *, oriented=True):
    return Volume(voxels.shape, affine, VolumeHeader("dicom"), (), "test", voxels.astype(np.float32).__getitem__, oriented=oriented)


def positions(picture):
    """Where the pixels of a section lie: (3, rows, columns)."""
    rows, columns = np.indices(picture.values.shape)
    return np.einsum("ij,jrc->irc", picture.affine[:3, 1:3], np.stack([rows, columns])) + picture.affine[:3, 3, None, None]


@pytest.mark.parametrize("orientation", [*EVERY_SIDE, OBLIQUE])
@pytest.mark.parametrize(("view", "axis"), [("sagittal", 0), ("coronal", 1), ("axial", 2)])
def test_a_ball_is_found_at_its_place_in_every_plane_through_it(orientation, view, axis):
    volume = read_volume(slices(orientation))
    picture = section(volume, view, CENTRE[axis])
    found = centroid(picture.values[np.newaxis], picture.affine)
    assert np.abs(found - CENTRE).max() < 0.1
    assert np.allclose(positions(picture)[axis], CENTRE[axis])


@pytest.mark.parametrize("orientation", EVERY_SIDE)
def test_the_head_is_up_and_the_face_to_the_left(orientation):
    picture = mid_sagittal(read_volume(slices(orientation)))
    x, y, z = positions(picture)
    assert (np.diff(z, axis=0) < 0).all()
    assert (np.diff(y, axis=1) > 0).all()
    assert np.allclose(x, 0, atol=1e-5)
    coronal, axial = (section(read_volume(slices(orientation)), view) for view in ("coronal", "axial"))
    assert (np.diff(positions(coronal)[0], axis=1) > 0).all()
    assert (np.diff(positions(coronal)[2], axis=0) < 0).all()
    assert (np.diff(positions(axial)[0], axis=1) > 0).all()
    assert (np.diff(positions(axial)[1], axis=0) > 0).all()


def cube(flips=(1, 1, 1), sides=(7, 9, 11), zooms=(1.0, 2.0, 3.0)):
    """Noise on a grid whose array axes are z, y and x, or against them."""
    voxels = np.random.default_rng(5).normal(size=sides)
    affine = np.eye(4)
    affine[:3, :3] = np.diag(np.array(flips) * zooms)[::-1]
    affine[:3, 3] = -affine[:3, :3] @ (np.array(sides) - 1) / 2
    for axis, flip in enumerate(flips):
        voxels = np.flip(voxels, axis) if flip < 0 else voxels
    return voxels, affine


@pytest.mark.parametrize("flips", [(1, 1, 1), (-1, 1, 1), (1, -1, -1), (-1, -1, -1)])
@pytest.mark.parametrize("interpolation", ["linear", "nearest"])
def test_a_volume_that_is_not_oblique_is_read_voxel_by_voxel(flips, interpolation):
    upright, _ = cube()
    picture = mid_sagittal(in_memory(*cube(flips)), interpolation)
    assert np.array_equal(picture.values, upright[::-1, :, 5].astype(np.float32))
    assert picture.inside.all()
    assert picture.spacing_mm == (1.0, 2.0)


@pytest.mark.parametrize("flips", [(1, 1, 1), (-1, 1, -1), (1, -1, -1)])
def test_between_two_slices_linear_is_their_mean_and_nearest_the_left_one(flips):
    upright, _ = cube(sides=(7, 9, 10))
    volume = in_memory(*cube(flips, sides=(7, 9, 10)))
    values = upright[::-1].astype(np.float32)
    assert np.allclose(mid_sagittal(volume).values, (values[:, :, 4] + values[:, :, 5]) / 2, atol=1e-6)
    assert np.array_equal(mid_sagittal(volume, "nearest").values, values[:, :, 5])


@pytest.mark.parametrize("orientation", [AXIAL, OBLIQUE])
def test_linear_interpolation_is_exact_where_the_values_are(orientation):
    def ramp(points):
        return np.round(np.tensordot([1, 2, 3], points, 1) * 100).astype("<i2")

    volume = read_volume(slices(orientation, scan=ramp))
    picture = section(volume, "sagittal", 2.3)
    points = positions(picture)
    indices = np.tensordot(np.linalg.inv(volume.affine)[:3], np.concatenate([points, np.ones((1, *points.shape[1:]))]), 1)
    inner = ((indices >= 0) & (indices <= np.array(volume.shape)[:, None, None] - 1)).all(axis=0)
    assert inner.sum() > 1000
    assert np.abs(picture.values - np.tensordot([1, 2, 3], points, 1) * 100)[inner].max() < 1


def test_only_the_slices_that_a_plane_crosses_are_decoded():
    read = []
    voxels, affine = cube()
    volume = Volume(
        voxels.shape, affine, VolumeHeader("dicom"), (), "test", lambda index: (read.append(index), voxels[index].astype(np.float32))[1]
    )
    section(volume, "axial", 0.0)
    assert read == [3]
    section(volume, "axial", 0.5)
    assert read == [3, 3, 4]


def test_outside_of_the_volume_stands_its_smallest_value():
    picture = mid_sagittal(read_volume(slices(OBLIQUE, scan=lambda points: (np.abs(points[0]) + 5).astype("<i2"))))
    assert not picture.inside.all()
    assert (picture.values[~picture.inside] == picture.values[picture.inside].min()).all()


def test_the_outer_voxels_reach_half_their_size_beyond_their_centres():
    upright, affine = cube()
    edge = 5 * 3.0
    assert np.array_equal(section(in_memory(upright, affine), "sagittal", edge + 1.4).values, upright[::-1, :, 10].astype(np.float32))
    with pytest.raises(UnsuitableImageError, match="does not cross"):
        section(in_memory(upright, affine), "sagittal", edge + 1.6)


@pytest.mark.parametrize("position", [-1000.0, 1000.0, float("nan")])
def test_a_plane_beside_the_volume_is_refused(position):
    with pytest.raises(UnsuitableImageError, match="does not cross"):
        section(in_memory(*cube()), "sagittal", position)


def test_a_volume_that_does_not_say_how_the_patient_lies_has_no_sagittal_plane():
    with pytest.raises(UnsuitableImageError, match="how the patient lies"):
        mid_sagittal(in_memory(*cube(), oriented=False))
    volume = read_volume([nifti(np.ones((3, 4, 5), "<f4"), np.eye(4), sform_code=0)])
    with pytest.raises(UnsuitableImageError, match="how the patient lies"):
        mid_sagittal(volume)


def test_a_grid_that_would_ask_for_a_huge_picture_is_refused():
    affine = np.diag([0.001, 1000.0, 1.0, 1.0])[[2, 1, 0, 3]]
    affine[2, 1] = 900.0
    with pytest.raises(TooLargeError, match="4096"):
        section(in_memory(np.ones((4, 64, 4)), affine), "sagittal")


@pytest.mark.parametrize("orientation", [*EVERY_SIDE, OBLIQUE])
def test_canonical_axes_run_to_the_head_the_back_and_the_left(orientation):
    volume = read_volume(slices(orientation))
    voxels = volume.voxels()
    turned, affine = canonical(voxels, volume.affine)
    axes, signs = nearest_axes(affine)
    assert (axes, signs.tolist()) == ((2, 1, 0), [1, 1, 1])
    assert np.abs(centroid(turned, affine) - CENTRE).max() < 0.1
    assert np.shares_memory(voxels, turned)


def test_the_axial_sagittal_and_coronal_scans_of_one_head_give_one_picture():
    options = {"shape": (41, 41, 41), "spacing": (1.5, 1.5), "step": 1.5}
    pictures = [mid_sagittal(read_volume(slices(orientation, **options))) for orientation in EVERY_SIDE]
    assert all(np.abs(picture.values - pictures[0].values).max() <= 1 for picture in pictures)


def test_a_single_sagittal_slice_is_its_own_plane():
    pixels = np.arange(120, dtype="<i2").reshape(10, 12)
    picture = mid_sagittal(read_volume([mr_slice(pixels, [3, -5, 8], SAGITTAL, (1.5, 1.25), 0)]))
    assert np.array_equal(picture.values, pixels)
    assert picture.spacing_mm == (1.5, 1.25)


@needs_data
def test_the_head_of_a_real_series_is_up_and_its_face_to_the_left():
    """Air above the crown and before the face, which was cut away; the neck reaches the lower edge behind the middle."""
    with tarfile.open(next((DATA / "alzheimer").glob("t1_dicom_series_*.tar.xz"))) as archive:
        parts = [archive.extractfile(member).read() for member in archive if member.isfile() and member.name.endswith(".dcm")]
    picture = mid_sagittal(read_volume(parts))
    bright = picture.values > np.percentile(picture.values, 60)
    columns = bright.shape[1]
    assert bright[:30].mean() < 0.02
    assert bright[-110:-50, columns // 2 :].sum() > bright[-110:-50, : columns // 4].sum()
    assert bright[:, :60].mean() < 0.05
    assert picture.spacing_mm == pytest.approx((2 / 3, 2 / 3), abs=1e-3)


@needs_data
def test_the_cerebellum_of_the_template_is_below_and_behind():
    volume = read_volume([(DATA / "alzheimer" / "mni_icbm152_t1.nii.gz").read_bytes()])
    picture = mid_sagittal(volume)
    rows, columns = np.indices(picture.values.shape)
    head = picture.values > 20
    assert picture.spacing_mm == (1.0, 1.0)
    below = head & (rows > 140)
    assert columns[below].mean() > columns[head].mean()
    assert np.allclose(positions(picture)[0], 0)
