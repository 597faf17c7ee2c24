"""A frontal chest radiograph -> fourteen CheXpert findings.

After Rand & Ibrahim, "MXA in EfficientViT with knowledge distillation", arXiv:2504.02277 (2025). The findings, their names and their order
are CheXpert's (Irvin et al., AAAI 2019).
"""

from models.spec import (
    LOCAL_SCHEME,
    Class,
    Classification,
    Code,
    Field,
    ImageAttention,
    ImageInput,
    Intensity,
    ModelSpec,
    Regions,
    TabularInput,
)

CHEST = ImageInput(
    name="image",
    description="Frontal chest radiograph, posteroanterior or anteroposterior",
    shape=(1, 224, 224),
    mean=(0.5,),  # the released [-1024, 1024] is the same range in another unit, which batch norms undo
    std=(0.25,),
    intensity=Intensity(apply_voi=True, low_percentile=0.5, high_percentile=99.5),
    modalities=("CR", "DX"),
    sop_classes=(
        "1.2.840.10008.5.1.4.1.1.1",  # Computed Radiography Image Storage
        "1.2.840.10008.5.1.4.1.1.1.1",  # Digital X-Ray Image Storage - For Presentation
    ),
    body_parts=("CHEST",),
    views=("PA", "AP"),
    orientation=("L", "F"),
    min_side_pixels=128,
)

PATIENT = TabularInput(
    name="metadata",
    mask="present",
    fields=(
        Field(
            name="age_years", kind="number", unit="a", low=18, high=110, header="age_years", header_tolerance=1.0, network=False,
            description="Age, in years: not read by the network, but compared with the header",
        ),
        Field(
            name="sex", kind="category", levels=("female", "male"), header="sex", header_tolerance=0.0, network=False,
            description="Sex: not read by the network, but compared with the header",
        ),
    ),
)

# SNOMED CT where several independent uses agree; where none is confirmed, a code of our own until somebody confirms one.
CODES = {
    "no_finding": ("NO-FINDING", LOCAL_SCHEME, "No finding on chest radiograph"),
    "enlarged_cardiomediastinum": ("ENL-CARDIOMED", LOCAL_SCHEME, "Enlarged cardiomediastinum"),
    "cardiomegaly": ("8186001", "SCT", "Cardiomegaly"),
    "lung_opacity": ("LUNG-OPACITY", LOCAL_SCHEME, "Lung opacity"),
    "lung_lesion": ("LUNG-LESION", LOCAL_SCHEME, "Lung lesion"),
    "edema": ("19242006", "SCT", "Pulmonary edema"),
    "consolidation": ("95436008", "SCT", "Lung consolidation"),
    "pneumonia": ("233604007", "SCT", "Pneumonia"),
    "atelectasis": ("46621007", "SCT", "Atelectasis"),
    "pneumothorax": ("36118008", "SCT", "Pneumothorax"),
    "pleural_effusion": ("60046008", "SCT", "Pleural effusion"),
    "pleural_other": ("PLEURAL-OTHER", LOCAL_SCHEME, "Pleural abnormality other than effusion"),
    "fracture": ("FRACTURE", LOCAL_SCHEME, "Fracture on chest radiograph"),
    "support_devices": ("SUPPORT-DEVICES", LOCAL_SCHEME, "Support devices"),
}

FINDINGS = Classification(
    tensor="probabilities",
    exclusive=False,
    classes=tuple(
        Class(name=name, code=Code(value=value, scheme_designator=scheme, meaning=meaning))
        for name, (value, scheme, meaning) in CODES.items()
    ),
    none_of_the_others="no_finding",
    beside=("support_devices",),
)

SPEC = ModelSpec(
    name="chest",
    version="1.0.0",
    title="Fourteen findings on a frontal chest radiograph",
    intended_use=(
        "Second reader of frontal chest radiographs of adults: a probability for each of the fourteen CheXpert findings. "
        "It does not replace the report, and a finding that it does not know may still be there."
    ),
    limitations=(
        "Frontal views of adults only; neither lateral views nor children.",
        "Findings as CheXpert's labels mean them, which were taken from reports by a program.",
    ),
    images=(CHEST,),
    table=PATIENT,
    classifications=(FINDINGS,),
    image_attention=(ImageAttention(tensor="image_attention", input="image", rows=7, columns=7),),
    regions=(Regions(tensor="regions", input="image", names=("1.1", "2.1", "2.2", "2.3", "3.1", "3.2", "3.3", "3.4")),),
    explanations=("gradcam", "lime"),
)
