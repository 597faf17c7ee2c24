"""Which scan of a whole study is read: by what its headers say, in any order, and a reason for each other one."""

import pytest

from models.alzheimer import MRI, PET
from models.decode import VOLUME_LIMITS
from models.errors import MetadataConflictError, StudyError, TooLargeError, UnsuitableImageError
from models.scans import choose_scan
from tests.models.decode.synthetic import png, radiograph
from tests.models.decode.synthetic_volume import SAGITTAL
from tests.models.heads import mri, pet, pet_object, volume_file

T1 = mri()
FLAIR = mri(shape=(50, 56, 52), SeriesInstanceUID="2.25.22")
DERIVED = mri(shape=(60, 64, 64), SeriesInstanceUID="2.25.23", ImageType=["DERIVED", "SECONDARY"])
LOCALIZER = mri(SAGITTAL, shape=(3, 64, 64), SeriesInstanceUID="2.25.24", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
SPINE = mri(shape=(9, 64, 64), SeriesInstanceUID="2.25.25", BodyPartExamined="CSPINE")
TWO_ECHOES = [data for echo in ("5", "90") for data in mri(SeriesInstanceUID="2.25.26", uids=f"2.25.26.{echo}", EchoTime=echo)]


def choose(*files, image=MRI):
    return choose_scan(image, files, VOLUME_LIMITS)


def uid(choice):
    return choice.volume.header.series_instance_uid


@pytest.mark.parametrize("order", [1, -1])
def test_the_head_is_chosen_among_everything_else_with_a_reason_for_each(order):
    files = [*LOCALIZER, *SPINE, *pet(StudyInstanceUID="2.25.30"), *T1, *FLAIR, *DERIVED, b"not an image"][::order]
    choice = choose(*files)
    assert uid(choice) == "2.25.20"
    assert sorted((len(each.files), each.reason) for each in choice.rejected) == sorted([
        (3, "image type is LOCALIZER"), (9, "body part is not HEAD or BRAIN"), (40, "modality is not MR"),
        (50, "fits too, but another fits better"), (60, "fits too, but another fits better"),
        (1, "The file is neither DICOM, PNG nor JPEG."),
    ])
    assert choice.reason.endswith("the best of 3 that fit")


def test_a_series_that_is_no_volume_gives_way_and_says_why():
    choice = choose(*T1, *TWO_ECHOES)
    assert uid(choice) == "2.25.20"
    (rejected,) = choice.rejected
    assert "same position" in rejected.reason


def test_a_series_with_a_gap_never_gives_way_to_a_single_slice():
    with pytest.raises(UnsuitableImageError, match="gap"):
        choose(*T1[:20], *T1[22:], FLAIR[25])


def test_an_object_of_many_frames_stands_by_itself():
    assert choose(*pet(StudyInstanceUID="2.25.30", shape=(20, 48, 52)), pet_object(), image=PET).volume.shape == (40, 48, 52)


def test_dicom_goes_before_nifti_and_a_volume_before_a_slice():
    assert choose(volume_file(), *T1).scan.stated
    assert choose(FLAIR[25], *T1).scan.is_volume


@pytest.mark.parametrize("files", [(volume_file(), volume_file("LPI")), (volume_file(), png(radiograph())), (png(radiograph()),) * 2])
def test_of_several_files_without_a_header_none_is_guessed(files):
    with pytest.raises(UnsuitableImageError, match="Several files without a header"):
        choose(*files)


@pytest.mark.parametrize("difference", [{"StudyInstanceUID": "2.25.99"}, {"PatientID": "B"}])
def test_two_examinations_or_patients_are_a_conflict(difference):
    with pytest.raises(MetadataConflictError):
        choose(*T1, *mri(SeriesInstanceUID="2.25.27", **difference))


def test_a_pet_of_another_study_is_none_of_the_mri_s_business():
    assert uid(choose(*T1, *pet())) == "2.25.20"


def test_what_does_not_fit_is_refused_with_the_reason_of_each_series():
    with pytest.raises(UnsuitableImageError) as refusal:
        choose(*LOCALIZER, *SPINE)
    assert [detail.pointer for detail in refusal.value.details] == ["/images/mri/0", "/images/mri/3"]
    with pytest.raises(UnsuitableImageError, match="modality is not PT"):
        choose(*T1, image=PET)


def test_the_only_file_s_own_error_is_told():
    with pytest.raises(StudyError, match="neither DICOM"):
        choose(b"not an image")
    with pytest.raises(TooLargeError):
        choose(*[T1[0]] * 4097)
