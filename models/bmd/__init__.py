"""XAttn-BMD: an anteroposterior hip radiograph and clinical metadata -> femoral-neck BMD.

After Zhang et al., "XAttn-BMD", arXiv:2511.14604 (2025). Units, ranges and encodings that the paper leaves open are
the defaults of this project; the reference values are derived in docs/decisions/0002-bmd-scale-and-reference.md.
"""

from models.spec import (
    LOCAL_SCHEME,
    BelowThreshold,
    Code,
    Field,
    ImageAttention,
    ImageInput,
    Intensity,
    MetadataAttention,
    ModelSpec,
    Regression,
    TabularInput,
    TScore,
)

IMAGENET_MEAN = (0.485, 0.456, 0.406)  # so that a pretrained trunk meets the statistics it was trained with
IMAGENET_STD = (0.229, 0.224, 0.225)

HIP = ImageInput(
    name="image",
    description="Anteroposterior radiograph of one hip, or of the pelvis with the side stated",
    shape=(3, 224, 224),
    mean=IMAGENET_MEAN,
    std=IMAGENET_STD,
    intensity=Intensity(apply_voi=True, low_percentile=0.5, high_percentile=99.5),
    modalities=("CR", "DX"),
    sop_classes=(
        "1.2.840.10008.5.1.4.1.1.1",  # Computed Radiography Image Storage
        "1.2.840.10008.5.1.4.1.1.1.1",  # Digital X-Ray Image Storage - For Presentation
    ),
    body_parts=("HIP", "PELVIS"),
    two_sided_body_parts=("PELVIS",),
    views=("AP",),
    orientation=("L", "F"),
    mirror_side="right",
    min_side_pixels=128,
)

METADATA = TabularInput(
    name="metadata",
    mask="present",
    fields=(
        Field(
            name="age_at_xray_years", kind="number", unit="a", low=18, high=110, header="age_years", header_tolerance=1.0,
            description="Age at the radiograph, in years",
        ),
        Field(
            name="age_at_dxa_years", kind="number", unit="a", low=18, high=110,
            derivation="copy", derived_from=("age_at_xray_years",),
            description="Age at the DXA scan, in years; taken as the age at the radiograph where there was no scan",
        ),
        Field(
            name="height_cm", kind="number", unit="cm", low=120, high=220, header="height_cm",
            description="Body height, in centimetres",
        ),
        Field(
            name="weight_kg", kind="number", unit="kg", low=30, high=250, header="weight_kg",
            description="Body weight, in kilograms",
        ),
        Field(
            name="bmi", kind="number", unit="kg/m2", low=10, high=70,
            derivation="body_mass_index", derived_from=("weight_kg", "height_cm"), derived_tolerance=0.5,
            description="Body mass index, in kg/m2; derived from height and weight, and checked against them",
        ),
        Field(
            name="alcohol_units_per_week", kind="number", unit="{unit}/wk", low=0, high=200, log1p=True,
            description="Alcohol consumption, in UK units (8 g of ethanol) a week",
        ),
        Field(
            name="physical_activity_min_per_day", kind="number", unit="min/d", low=0, high=1440, log1p=True,
            description="Physical activity, in minutes a day (LAPAQ)",
        ),
        Field(
            name="diet_quality_score", kind="number", unit="1", low=-5, high=5,
            description="Prudent-diet score, in standard deviations of the cohort",
        ),
        Field(
            name="sex", kind="category", levels=("female", "male"), required=True, header="sex", header_tolerance=0.0,
            description="Sex, as the reference data use it",
        ),
        Field(
            name="smoking_status", kind="category", levels=("never", "ex", "current"),
            description="Smoking status",
        ),
        Field(
            name="laterality", kind="category", levels=("left", "right"), header="laterality", header_tolerance=0.0,
            network=False,
            description="Which hip: required for a pelvis that shows both; right hips are mirrored before the network",
        ),
    ),
)

BMD = Regression(
    tensor="bmd",
    name="femoral_neck_bmd",
    unit="g/cm2",
    code=Code(
        # Every LOINC bone-density code has the method DXA; an estimate from a radiograph is not a DXA measurement.
        value="BMD-NECK-EST",
        scheme_designator=LOCAL_SCHEME,
        meaning="Estimated areal bone mineral density of femoral neck from radiograph",
    ),
    scale="GE-Lunar",
    finding_site=Code(value="29627003", scheme_designator="SCT", meaning="Structure of neck of femur"),
    low=0.2,
    high=2.0,
    context=("weight_kg",),  # how much contrast a mineral makes depends on the thickness of the body around it
    t_score=TScore(
        name="t_score",
        unit="{T-score}",
        code=Code(
            value="TSCORE-NECK-EST",
            scheme_designator=LOCAL_SCHEME,
            meaning="Estimated T-score of femoral neck from radiograph",
        ),
        mean=1.038,
        sd=0.139,
        reference="GE-Lunar scale, young female mean 1.038 g/cm2, SD 0.139 g/cm2 (NHANES III white women aged 20-29, converted)",
        category_from_age=50,
        age_field="age_at_xray_years",
    ),
    findings=(
        BelowThreshold(
            name="low_bone_mass", t_score=-1.0, inclusive=False, threshold=0.5,
            code=Code(
                # Not SNOMED's osteopenia, which excludes osteoporosis: this is everything below -1.
                value="LOW-BONE-MASS",
                scheme_designator=LOCAL_SCHEME,
                meaning="Femoral neck T-score below -1.0, estimated from radiograph",
            ),
        ),
        BelowThreshold(
            name="osteoporosis", t_score=-2.5, inclusive=True, threshold=0.5,
            code=Code(value="64859006", scheme_designator="SCT", meaning="Osteoporosis"),
        ),
    ),
)

SPEC = ModelSpec(
    name="bmd",
    version="1.0.0",
    title="XAttn-BMD: femoral-neck BMD from a hip radiograph and clinical metadata",
    intended_use=(
        "Opportunistic screening aid for adults: estimates femoral-neck BMD from an anteroposterior hip radiograph, to suggest "
        "who may benefit from a DXA scan. Not a DXA measurement and not a diagnosis."
    ),
    limitations=(
        "Adults only; not for hips with a prosthesis, fracture fixation or other metal.",
        "Estimates on the GE-Lunar scale; they must not be compared with Hologic values without conversion.",
    ),
    images=(HIP,),
    table=METADATA,
    regressions=(BMD,),
    metadata_attention=MetadataAttention(tensor="metadata_attention", input="metadata"),
    image_attention=(ImageAttention(tensor="image_attention", input="image", rows=7, columns=7),),
    explanations=("gradcam", "shapley", "lime"),
)
