"""Every code that leaves the project, with its display and where that was confirmed; and the codes that must never leave it.

A check digit proves the spelling of a code, not its meaning: whoever adds one says who else uses it so. A clinician's confirmation in the
official browsers is still due for all of SNOMED CT.
"""

from __future__ import annotations

SCT, DCM, LN = "http://snomed.info/sct", "http://dicom.nema.org/resources/ontology/DCM", "http://loinc.org"
LOCAL = "urn:oid:2.25.129198560405018149703128892304468611535"
HL7 = "http://terminology.hl7.org/CodeSystem"
PS316 = "DICOM PS3.16"  # held against pydicom's copy of its tables
TABLE_L_1 = "DICOM PS3.16 table L-1"  # held against highdicom's copy of it
PROJECTS = "used alike by several independent public projects"
OURS = "made here"

PINNED = {
    (SCT, "29627003"): ("Structure of neck of femur", "several HL7 implementation guides, the US Core bone density report among them"),
    (SCT, "64859006"): ("Osteoporosis", PROJECTS),
    (SCT, "8186001"): ("Cardiomegaly", PROJECTS),
    (SCT, "19242006"): ("Pulmonary edema", PS316),
    (SCT, "95436008"): ("Lung consolidation", PROJECTS),
    (SCT, "233604007"): ("Pneumonia", PROJECTS),
    (SCT, "46621007"): ("Atelectasis", "eight independent public projects"),
    (SCT, "36118008"): ("Pneumothorax", PS316),
    (SCT, "60046008"): ("Pleural effusion", PS316),
    (SCT, "449888003"): ("Normal cognition", "two independent FHIR projects"),
    (SCT, "386805003"): ("Mild cognitive impairment", "NHS, and several mappings of ADNI to FHIR"),
    (SCT, "26929004"): ("Alzheimer's disease", PROJECTS),
    (SCT, "272741003"): ("Laterality", PS316),
    (SCT, "7771000"): ("Left", PS316),
    (SCT, "24028007"): ("Right", PS316),
    (SCT, "52101004"): ("Present", PS316),
    (SCT, "2667000"): ("Absent", "several HL7 implementation guides; CID 240 of PS3.16 has 272519000 for it"),
    (SCT, "82334004"): ("Indeterminate", PS316),
    (SCT, "24136001"): ("Hip joint", TABLE_L_1),
    (SCT, "816092008"): ("Pelvis", TABLE_L_1),
    (SCT, "76752008"): ("Breast", TABLE_L_1),
    (SCT, "816094009"): ("Chest", TABLE_L_1),
    (SCT, "69536005"): ("Head", TABLE_L_1),
    (SCT, "12738006"): ("Brain", TABLE_L_1),
    (DCM, "111012"): ("Certainty of Finding", PS316),
    (DCM, "111047"): ("Probability of cancer", PS316),
    (DCM, "121322"): ("Source Image for Image Processing Operation", PS316),
    (DCM, "121106"): ("Comment", PS316),
    (DCM, "126000"): ("Imaging Measurement Report", PS316),
    (DCM, "121071"): ("Finding", PS316),
    (DCM, "123110"): ("Artificial Intelligence", PS316),
    (f"{HL7}/v3-ObservationValue", "AIAST"): ("Artificial Intelligence asserted", "HL7 AI Transparency on FHIR, general guidance"),
    (f"{HL7}/observation-category", "imaging"): ("Imaging", "R4, valueset-observation-category.html"),
    (f"{HL7}/v3-ObservationInterpretation", "POS"): ("Positive", "R4, v3/ObservationInterpretation"),
    (f"{HL7}/v3-ObservationInterpretation", "NEG"): ("Negative", "R4, v3/ObservationInterpretation"),
    (f"{HL7}/v3-ObservationInterpretation", "IND"): ("Indeterminate", "R4, v3/ObservationInterpretation"),
    (LOCAL, "BMD-NECK-EST"): ("Estimated areal bone mineral density of femoral neck from radiograph", OURS),
    (LOCAL, "TSCORE-NECK-EST"): ("Estimated T-score of femoral neck from radiograph", OURS),
    (LOCAL, "LOW-BONE-MASS"): ("Femoral neck T-score below -1.0, estimated from radiograph", OURS),
    (LOCAL, "BREAST-BENIGN"): ("Breast lesion estimated to be benign", OURS),
    (LOCAL, "BREAST-MALIGNANT"): ("Breast lesion estimated to be malignant", OURS),
    (LOCAL, "NO-FINDING"): ("No finding on chest radiograph", OURS),
    (LOCAL, "ENL-CARDIOMED"): ("Enlarged cardiomediastinum", OURS),
    (LOCAL, "LUNG-OPACITY"): ("Lung opacity", OURS),
    (LOCAL, "LUNG-LESION"): ("Lung lesion", OURS),
    (LOCAL, "PLEURAL-OTHER"): ("Pleural abnormality other than effusion", OURS),
    (LOCAL, "FRACTURE"): ("Fracture on chest radiograph", OURS),
    (LOCAL, "SUPPORT-DEVICES"): ("Support devices", OURS),
    (LOCAL, "FINDING-PROB"): ("Probability of a finding, estimated by a model", OURS),
    (LOCAL, "CLASS-PROB"): ("Image- and marker-based class probability", OURS),
    (LOCAL, "CLASSES"): ("Probabilities of classes that exclude each other", OURS),
    (LOCAL, "MOST-LIKELY"): ("Most likely class", OURS),
    (LOCAL, "IN-SET"): ("Class that may be the true one", OURS),
    (LOCAL, "SET-LEVEL"): ("Probability that the true class is among those that may be it", OURS),
    (LOCAL, "EVALUATION"): ("Whether the study was evaluated", OURS),
    (LOCAL, "NOT-EVALUATED"): ("Not evaluated", OURS),
    (LOCAL, "BY-THRESHOLD"): ("Class chosen by thresholds, not the most likely one", OURS),
    (LOCAL, "THRESHOLD"): ("Probability from which it is judged positive", OURS),
    (LOCAL, "POSITIVE"): ("Judged positive", OURS),
    (LOCAL, "RESERVATION"): ("Why nobody should act on it", OURS),
    (LOCAL, "INTERVAL"): ("Range that holds the true value with the stated probability", OURS),
    (LOCAL, "INTERVAL-LOW"): ("Lower limit of the prediction interval", OURS),
    (LOCAL, "INTERVAL-HIGH"): ("Upper limit of the prediction interval", OURS),
    (LOCAL, "INTERVAL-LEVEL"): ("Probability that the prediction interval holds the true value", OURS),
    (LOCAL, "REFERENCE"): ("Reference population", OURS),
    (LOCAL, "SCALE"): ("Scale of the measurement", OURS),
    (LOCAL, "CATEGORY"): ("Category of the measured value, estimated and not a diagnosis", OURS),
    (LOCAL, "WHO-NORMAL"): ("T-score -1.0 or above, estimated", OURS),
    (LOCAL, "WHO-LOW-MASS"): ("T-score below -1.0 and above -2.5, estimated", OURS),
    (LOCAL, "WHO-OSTEOPOROSIS"): ("T-score -2.5 or below, estimated", OURS),
    (LOCAL, "NOT-CLINICAL"): ("Not for clinical use", OURS),
    (LOCAL, "LOOKED-AT"): ("Region that the network looked into", OURS),
    (LOCAL, "ATTENTION"): ("Share of a neural network's attention to an image", OURS),
    (LOCAL, "ATTENDED"): ("Attention of a neural network, computed while it answered", OURS),
    (LOCAL, "P-BENIGN"): ("Class probability of BENIGN", OURS),
    (LOCAL, "T-BENIGN"): ("Threshold of BENIGN", OURS),
    (LOCAL, "T-MALIGNANT"): ("Threshold of MALIGNANT", OURS),
    (LOCAL, "P-CN"): ("Class probability of CN", OURS),
    (LOCAL, "T-CN"): ("Threshold of CN", OURS),
    (LOCAL, "P-MCI"): ("Class probability of MCI", OURS),
    (LOCAL, "T-MCI"): ("Threshold of MCI", OURS),
    (LOCAL, "P-AD"): ("Class probability of AD", OURS),
    (LOCAL, "T-AD"): ("Threshold of AD", OURS),
}

SEEN_ELSEWHERE_AND_WRONG = {  # (system, code) -> why; public projects hold them for something else
    (SCT, "47693006"): "rupture of appendix, taken for an infiltrate of the lung",
    (SCT, "95436003"): "consolidation of the lung, mistyped: the check digit fails",
    (SCT, "78381009"): "pleural thickening, made up: the check digit fails",
    (SCT, "164873001"): "of an electrocardiogram, taken for cardiomegaly",
}
# Bone density in LOINC has the method DXA, in every code: by region and side, then mass per area, T-score and Z-score (OHDSI Themis).
DXA = {
    "24701-5", "80954-1", "80953-3", "38263-0", "80948-3", "80947-5", "80934-3", "80940-0", "80939-2",
    "38261-4", "46278-8", "46279-6", "38264-8", "80946-7", "80945-9", "80933-5", "80938-4", "80937-6",
    "38269-7", "83311-1",
}  # fmt: skip


def objections(system: str, code: str, display: str) -> list[str]:
    """What speaks against a code leaving the project."""
    found = []
    if (system, code) in SEEN_ELSEWHERE_AND_WRONG:
        found.append(SEEN_ELSEWHERE_AND_WRONG[system, code])
    if system == LN and code in DXA:
        found.append("a DXA measurement")
    if system == SCT and not verhoeff_is_valid(code):
        found.append("the check digit of SNOMED CT fails")
    if system == LN and not mod_10_is_valid(code):
        found.append("the check digit of LOINC fails")
    if PINNED.get((system, code), ("", ""))[0] != display:
        found.append("not pinned with this display")
    return found


def verhoeff_is_valid(number: str) -> bool:
    """The check digit of SNOMED CT identifiers (Verhoeff, 1969)."""

    def times(a: int, b: int) -> int:  # the dihedral group of order 10
        if a < 5:
            return (a + b) % 5 if b < 5 else 5 + (a + b) % 5
        return 5 + (a - b) % 5 if b < 5 else (a - b) % 5

    permutation = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]
    check = 0
    for position, character in enumerate(reversed(number)):
        digit = int(character)
        for _ in range(position % 8):
            digit = permutation[digit]
        check = times(check, digit)
    return check == 0


def mod_10_is_valid(code: str) -> bool:
    """The check digit of LOINC codes (mod 10: LOINC Users' Guide, appendix C)."""
    number, _, check = code.partition("-")
    doubled = str(2 * int(number[::-1][::2][::-1]))  # every other digit from the right, read as one number, twice
    total = sum(map(int, doubled + number[::-1][1::2]))
    return check == str(-total % 10)
