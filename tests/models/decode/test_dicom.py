"""The pipeline through a whole DICOM file: which steps the header asks for, and in which order."""

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from models.decode import Limits, decode, read_header, stored_values
from models.errors import NotEvaluableError, UnreadableImageError, UnsuitableImageError
from tests.models.decode.synthetic import BIG, EXPLICIT, IMPLICIT, LIMITS, RLE, compressed, dicom, radiograph

STORED = np.array([[0, 1000, 2000], [3000, 4000, 4095]], "<u2")


def pixels(data, *, apply_voi=True):
    return decode(data, read_header(data, LIMITS), LIMITS, apply_voi=apply_voi).pixels


def table(entries, first=0, bits=16, **attributes):
    item = Dataset()
    item.add_new(0x00283002, "US", [len(entries) % 65536, first % 65536, bits])
    item.add_new(0x00283006, "OW", np.array(entries, "<u2").tobytes())
    for keyword, value in attributes.items():
        setattr(item, keyword, value)
    return Sequence([item])


def test_without_a_voi_the_range_of_bits_stored_becomes_zero_to_one():
    out = pixels(dicom(STORED))
    np.testing.assert_allclose(out, STORED / 4095, atol=1e-6)
    assert out.dtype == np.float32


def test_the_range_of_signed_pixels_goes_from_negative_to_positive():
    signed = np.array([[-2048, -1, 0, 2047]], "<i2")
    np.testing.assert_allclose(pixels(dicom(signed)), (signed.astype(float) + 2048) / 4095, atol=1e-6)


def test_monochrome1_is_inverted_after_everything_else():
    # y = (x - 1999.5) / 1999 + 0.5 by the window, then 1 - y.
    out = pixels(dicom(STORED, PhotometricInterpretation="MONOCHROME1", WindowCenter=2000, WindowWidth=2000))
    expected = 1 - ((STORED - 1999.5) / 1999 + 0.5).clip(0, 1)
    np.testing.assert_allclose(out, expected, atol=1e-6)


def test_monochrome1_with_a_negative_slope_is_bright_where_stored_values_are_large():
    # Modality 4095 - x lies in [0, 4095]; inverted once: 1 - (4095 - x) / 4095 = x / 4095.
    out = pixels(dicom(STORED, PhotometricInterpretation="MONOCHROME1", RescaleSlope=-1, RescaleIntercept=4095))
    np.testing.assert_allclose(out, STORED / 4095, atol=1e-6)


@pytest.mark.parametrize(("photometric", "shape", "inverted"), [
    ("MONOCHROME2", "IDENTITY", False), ("MONOCHROME2", "INVERSE", True), ("MONOCHROME1", "INVERSE", True), ("MONOCHROME1", None, True),
])  # fmt: skip
def test_an_image_is_inverted_once_whether_its_header_says_so_once_or_twice(photometric, shape, inverted):
    out = pixels(dicom(STORED, PhotometricInterpretation=photometric, **({"PresentationLUTShape": shape} if shape else {})))
    np.testing.assert_allclose(out, 1 - STORED / 4095 if inverted else STORED / 4095, atol=1e-6)


def test_the_window_works_on_rescaled_values():
    # Modality = 2x - 4000; window c = 0, w = 4001: y = (m + 0.5) / 4000 + 0.5.
    out = pixels(dicom(STORED, RescaleSlope=2, RescaleIntercept=-4000, WindowCenter=0, WindowWidth=4001))
    np.testing.assert_allclose(out, ((2.0 * STORED - 4000 + 0.5) / 4000 + 0.5).clip(0, 1), atol=1e-5)


def test_the_first_of_several_windows_counts():
    several = pixels(dicom(STORED, WindowCenter=["2000", "50"], WindowWidth=["2000", "10"]))
    np.testing.assert_array_equal(several, pixels(dicom(STORED, WindowCenter=2000, WindowWidth=2000)))


def test_a_voi_table_wins_over_a_window():
    entries = np.linspace(0, 65535, 4096).astype(int) // 2
    out = pixels(dicom(STORED, VOILUTSequence=table(entries), WindowCenter=1, WindowWidth=1))
    np.testing.assert_allclose(out, entries[STORED] / 65535, atol=1e-6)


def test_a_modality_table_wins_over_a_rescale_and_sets_the_range():
    entries = np.arange(4096) // 16
    out = pixels(dicom(STORED, ModalityLUTSequence=table(entries, bits=8, ModalityLUTType="US"), RescaleSlope=7, RescaleIntercept=1))
    np.testing.assert_allclose(out, entries[STORED] / 255, atol=1e-6)


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG])
def test_a_table_for_rescaled_values_may_begin_below_zero(syntax):
    signed = np.array([[-3, -2, 0, 2]], "<i2")
    item = Dataset()
    item.add_new(0x00283002, "SS", [4, -2, 16])
    item.add_new(0x00283006, "US", [0, 100, 65535, 200])
    out = pixels(dicom(signed, syntax=syntax, VOILUTSequence=Sequence([item])))
    np.testing.assert_allclose(out, np.array([[0, 0, 65535, 200]]) / 65535, atol=1e-6)


@pytest.mark.parametrize("length", [5, 6])
def test_eight_bit_tables_may_be_packed(length):
    item = Dataset()
    item.add_new(0x00283002, "US", [length, 0, 8])
    item.add_new(0x00283006, "OW", bytes([0, 51, 102, 153, 204, 255]))
    out = pixels(dicom(np.array([[0, 1, 4, 9]], "<u2"), VOILUTSequence=Sequence([item])))
    np.testing.assert_allclose(out, np.array([[0, 51, 204, 204 if length == 5 else 255]]) / 255, atol=1e-6)


def test_the_voi_is_left_out_where_the_model_does_not_want_it():
    out = pixels(dicom(STORED, WindowCenter=2000, WindowWidth=2000), apply_voi=False)
    np.testing.assert_allclose(out, STORED / 4095, atol=1e-6)


@pytest.mark.parametrize("lonely", ["WindowCenter", "WindowWidth"])
def test_half_a_window_is_none(lonely):
    np.testing.assert_allclose(pixels(dicom(STORED, **{lonely: 100})), STORED / 4095, atol=1e-6)


@pytest.mark.parametrize("attributes", [
    {"WindowCenter": 30000, "WindowWidth": 100}, {"WindowCenter": -5000, "WindowWidth": 10},
    {"VOILUTSequence": table([7, 7, 7])},
])  # fmt: skip
def test_a_voi_that_leaves_a_blank_image_is_named_as_the_cause(attributes):
    with pytest.raises(NotEvaluableError, match=r"0028,1050|0028,3010"):
        pixels(dicom(STORED, **attributes))


def test_a_blank_image_is_not_blamed_on_its_window():
    assert (pixels(dicom(np.full((4, 4), 9, "<u2"), WindowCenter=30000, WindowWidth=100)) == 0).all()


@pytest.mark.parametrize(("attributes", "tag"), [
    ({"RescaleSlope": 0, "RescaleIntercept": 0}, "0028,1053"),
    ({"RescaleSlope": "1e-5", "RescaleIntercept": "900000000"}, "0028,1053"),
    ({"WindowCenter": 0, "WindowWidth": 0}, "0028,1051"),
    ({"WindowCenter": 0, "WindowWidth": -4}, "0028,1051"),
    ({"WindowCenter": 0, "WindowWidth": 0.5}, "0028,1051"),
    ({"WindowCenter": 0, "WindowWidth": 0, "VOILUTFunction": "SIGMOID"}, "0028,1051"),
    ({"WindowCenter": "1e300", "WindowWidth": 10}, "0028,1050"),
    ({"WindowCenter": 0, "WindowWidth": 10, "VOILUTFunction": "CUBIC"}, "0028,1056"),
    ({"VOILUTSequence": table([1, 2, 3], bits=4)}, "0028,3002"),
    ({"VOILUTSequence": Sequence([Dataset()])}, "0028,3002"),
])  # fmt: skip
def test_a_step_that_the_standard_does_not_allow_is_refused_by_its_tag(attributes, tag):
    with pytest.raises(UnreadableImageError, match=tag):
        pixels(dicom(STORED, **attributes))


@pytest.mark.parametrize("text", [b"nan ", b"inf ", b"1_0 ", b"ten "])
def test_a_slope_that_is_no_number_is_refused(text):
    data = dicom(STORED, RescaleSlope="1.25", RescaleIntercept=0).replace(b"1.25", text)
    with pytest.raises(UnreadableImageError, match="0028,1053"):
        pixels(data)


def test_a_table_shorter_than_it_says_is_refused():
    short = table([1, 2, 3])
    short[0]["LUTData"].value = b"\1\0\2\0"
    with pytest.raises(UnreadableImageError, match="0028,3006"):
        pixels(dicom(STORED, VOILUTSequence=short))


def test_bits_above_bits_stored_are_not_pixels():
    overlay = STORED | np.array([[0x8000, 0x1000, 0], [0x7000, 0xF000, 0x4000]], "<u2")
    data = dicom(overlay)
    np.testing.assert_array_equal(stored_values(data, read_header(data, LIMITS), LIMITS), STORED)


def test_bits_below_an_odd_high_bit_are_not_pixels():
    data = dicom(STORED << 4 | 5, HighBit=15)
    np.testing.assert_array_equal(stored_values(data, read_header(data, LIMITS), LIMITS), STORED)


def test_the_sign_of_twelve_bits_is_extended():
    cells = np.array([[0x000, 0x7FF, 0x800, 0xFFF]], "<u2")
    data = dicom(cells, PixelRepresentation=1)
    assert stored_values(data, read_header(data, LIMITS), LIMITS).tolist() == [[0, 2047, -2048, -1]]


def test_eight_bit_pixels_of_big_endian_words_are_unswapped():
    cells = np.array([[1, 2, 3], [4, 5, 6]], "u1")
    dataset = dicom(cells, bits=8, syntax=BIG, PixelData=bytes([2, 1, 4, 3, 6, 5])).replace(b"\x7f\xe0\x00\x10OB", b"\x7f\xe0\x00\x10OW")
    assert stored_values(dataset, read_header(dataset, LIMITS), LIMITS).tolist() == cells.tolist()


@pytest.mark.parametrize(("photometric", "samples"), [("RGB", 3), ("YBR_FULL", 3), ("PALETTE COLOR", 1)])
def test_colour_has_a_header_but_no_grey_values(photometric, samples):
    cells = np.zeros((4, 6), "u1")
    extra = {"PlanarConfiguration": 0} if samples == 3 else {}
    data = dicom(cells, bits=8, PhotometricInterpretation=photometric, SamplesPerPixel=samples, PixelData=bytes(24 * samples), **extra)
    header = read_header(data, LIMITS)
    assert header.photometric_interpretation == photometric
    with pytest.raises(UnsuitableImageError, match="colour"):
        decode(data, header, LIMITS, apply_voi=True)


def test_several_frames_are_not_one_image_where_the_limit_admits_them():
    data = dicom(STORED, NumberOfFrames=2, PixelData=STORED.tobytes() * 2)
    header = read_header(data, Limits(max_frames=2))
    assert header.frames == 2
    with pytest.raises(UnsuitableImageError, match="frame"):
        decode(data, header, Limits(max_frames=2), apply_voi=True)


def test_the_answer_names_what_decoded_it():
    data = compressed(radiograph(), RLE)
    image = decode(data, read_header(data, LIMITS), LIMITS, apply_voi=True)
    assert image.decoder.startswith("imagecodecs 20")
    assert image.header.transfer_syntax == RLE
