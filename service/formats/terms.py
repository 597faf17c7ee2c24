"""The coded concepts that renderings add to those of the specs. Standard ones where PS3.16 has them, else of the project's own scheme.

Nothing is filed under a code that means something else: an estimate from a radiograph has no DXA code.
"""

from __future__ import annotations

from models.spec import LOCAL_SCHEME, Class, Code

SCHEME_NAME = "Chiasm private coding scheme"
PRESENT = Code(value="52101004", scheme_designator="SCT", meaning="Present")
ABSENT = Code(value="2667000", scheme_designator="SCT", meaning="Absent")
INDETERMINATE = Code(value="82334004", scheme_designator="SCT", meaning="Indeterminate")
LEFT = Code(value="7771000", scheme_designator="SCT", meaning="Left")
RIGHT = Code(value="24028007", scheme_designator="SCT", meaning="Right")
CERTAINTY = Code(value="111012", scheme_designator="DCM", meaning="Certainty of Finding")
PROBABILITY_OF_CANCER = Code(value="111047", scheme_designator="DCM", meaning="Probability of cancer")
COMMENT = Code(value="121106", scheme_designator="DCM", meaning="Comment")
PERCENT = Code(value="%", scheme_designator="UCUM", meaning="Percent")
NO_UNITS = Code(value="1", scheme_designator="UCUM", meaning="no units")
SOURCE_IMAGE = Code(value="121322", scheme_designator="DCM", meaning="Source Image for Image Processing Operation")
REGIONS = {  # Body Part Examined -> the region it stands for (PS3.16 table L-1)
    "HIP": Code(value="24136001", scheme_designator="SCT", meaning="Hip joint"),
    "PELVIS": Code(value="816092008", scheme_designator="SCT", meaning="Pelvis"),
    "BREAST": Code(value="76752008", scheme_designator="SCT", meaning="Breast"),
    "CHEST": Code(value="816094009", scheme_designator="SCT", meaning="Chest"),
    "HEAD": Code(value="69536005", scheme_designator="SCT", meaning="Head"),
    "BRAIN": Code(value="12738006", scheme_designator="SCT", meaning="Brain"),
}


# Code Meaning is an LO of 64 characters (PS3.5 table 6.2-1): what stands in DICOM for the longer ones of the specs.
SHORTER = {"BMD-NECK-EST": "Estimated BMD of femoral neck from radiograph"}


def local(value: str, meaning: str) -> Code:
    """A concept of the project's own scheme; at most 16 characters, so that DICOM needs no Long Code Value (PS3.3 8.8)."""
    return Code(value=value, scheme_designator=LOCAL_SCHEME, meaning=meaning)


POSITIVE = local("POSITIVE", "Judged positive")
THRESHOLD = local("THRESHOLD", "Probability from which it is judged positive")
LEVEL = local("INTERVAL-LEVEL", "Probability that the prediction interval holds the true value")
INTERVAL_LOW = local("INTERVAL-LOW", "Lower limit of the prediction interval")
INTERVAL_HIGH = local("INTERVAL-HIGH", "Upper limit of the prediction interval")
CLASS_GROUP = local("CLASSES", "Probabilities of classes that exclude each other")
LOOKED_AT = local("LOOKED-AT", "Region that the network looked into")
ATTENTION = local("ATTENTION", "Share of a neural network's attention to an image")
ATTENDED = local("ATTENDED", "Attention of a neural network, computed while it answered")
LIKELIEST = local("MOST-LIKELY", "Most likely class")
CHOSEN = local("BY-THRESHOLD", "Class chosen by thresholds, not the most likely one")
IN_SET = local("IN-SET", "Class that may be the true one")
SET_LEVEL = local("SET-LEVEL", "Probability that the true class is among those that may be it")
EVALUATION = local("EVALUATION", "Whether the study was evaluated")
NOT_EVALUATED = local("NOT-EVALUATED", "Not evaluated")
CATEGORY = local("CATEGORY", "Category of the measured value, estimated and not a diagnosis")
CATEGORIES = {  # WHO's, of a T-score
    "normal": local("WHO-NORMAL", "T-score -1.0 or above, estimated"),
    "low_bone_mass": local("WHO-LOW-MASS", "T-score below -1.0 and above -2.5, estimated"),
    "osteoporosis": local("WHO-OSTEOPOROSIS", "T-score -2.5 or below, estimated"),
}


def class_probability(part: Class) -> Code:
    """The concept of the probability of one of several exclusive classes."""
    if part.name == "malignant":
        return PROBABILITY_OF_CANCER
    return local(f"P-{part.name.upper()}", f"Class probability of {part.name.upper()}")


def class_threshold(part: Class) -> Code:
    """The concept of the threshold that one of several exclusive classes was judged by."""
    return local(f"T-{part.name.upper()}", f"Threshold of {part.name.upper()}")


def unit(ucum: str) -> Code:
    """A UCUM unit as a coded concept."""
    return Code(value=ucum, scheme_designator="UCUM", meaning=ucum.strip("{}"))
