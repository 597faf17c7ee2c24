"""What can be wrong with a study. Knows nothing of HTTP: the service maps each class to a status in one table.

StudyError ─┬─ UnsupportedFormatError      not a format this model reads
            ├─ TooLargeError               over a limit; raised from headers, before memory is spent
            ├─ UnreadableImageError        the right format, but broken, truncated or undecodable
            ├─ MissingImageError           a study without an image, or an empty file
            ├─ UnsuitableImageError        readable, but not what this model was made for
            ├─ MissingGenotypesError       a study without genotypes, or an empty file, for a model that reads them
            ├─ UnreadableGenotypesError    a genotype file that is broken, or contradicts itself
            ├─ UnsuitableGenotypesError    readable, but not one person's calls at the variants that the model reads
            ├─ InvalidMetadataError        unknown, mistyped, out of range or absent fields
            ├─ MetadataConflictError       the request and the DICOM header disagree
            └─ NotEvaluableError           suitable by its header, but its pixels cannot carry an answer

`str(error)`, `hint` and `details` are always safe to show and to log: they name tags, fields and limits, never their values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Detail:
    """One thing that is wrong, and where: an RFC 6901 JSON pointer into the request."""

    pointer: str
    detail: str


class StudyError(Exception):
    """A study that cannot be evaluated; the message says why, the hint what to do about it."""

    code: ClassVar[str] = "study_error"
    default_hint: ClassVar[str] = "Check the study against GET /models/{model}."

    def __init__(self, message: str, *, hint: str = "", details: tuple[Detail, ...] = ()) -> None:
        super().__init__(message)
        self.hint = hint or self.default_hint
        self.details = details


class UnsupportedFormatError(StudyError):
    """The bytes are not in a format this model reads."""

    code = "unsupported_format"
    default_hint = "Send DICOM Part 10, or a greyscale PNG or JPEG. The content decides what a file is, never its name."


class TooLargeError(StudyError):
    """Larger than a limit, by what its header says."""

    code = "too_large"
    default_hint = "Send a smaller image, or raise the limit that the message names."


class UnreadableImageError(StudyError):
    """The format is known, but the file is broken, truncated, or its pixels cannot be decoded."""

    code = "unreadable_image"
    default_hint = "Send the instance again from the archive; if it fails there too, the stored object is damaged."


class MissingImageError(StudyError):
    """No image came with the study, or one of its files is empty."""

    code = "missing_image"
    default_hint = "Send at least one file with content for each image input that GET /models/{model} lists."


class UnsuitableImageError(StudyError):
    """No instance of the study is what the model was made for: modality, body part, view, side, colour."""

    code = "unsuitable_image"
    default_hint = "Compare the study with the model's image inputs in GET /models/{model}."


class MissingGenotypesError(StudyError):
    """No genotypes came with the study, or their file is empty, and the model reads them."""

    code = "missing_genotypes"
    default_hint = "Send the genotypes under the name that GET /models/{model} lists."


class UnreadableGenotypesError(StudyError):
    """The format is known, but the file is broken, truncated, or contradicts itself."""

    code = "unreadable_genotypes"
    default_hint = "Check the file with bcftools or plink2, and send it again."


class UnsuitableGenotypesError(StudyError):
    """Not one person's calls at the variants that the model reads: several samples, another build or panel, too few calls."""

    code = "unsuitable_genotypes"
    default_hint = "Compare the file with the panel in GET /models/{model}."


class InvalidMetadataError(StudyError):
    """Metadata fields are unknown, of the wrong type, out of range, or required and absent."""

    code = "invalid_metadata"
    default_hint = "Compare the metadata with GET /models/{model}/metadata-schema."


class MetadataConflictError(StudyError):
    """The request contradicts the DICOM header or itself: it is how swapped patients look."""

    code = "metadata_conflict"
    default_hint = "Make sure that the metadata and the images belong to the same patient and the same side."


class NotEvaluableError(StudyError):
    """The header fits, but the pixels cannot carry an answer: constant, too small, or not finite."""

    code = "not_evaluable"
    default_hint = "Send the diagnostic image itself, not a blank, a thumbnail or a localiser."
