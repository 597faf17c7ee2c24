"""ACMCA: MRI, FDG-PET, genotypes and clinical metadata -> cognitively normal, mild cognitive impairment, or Alzheimer's disease.

After "Multi-omic Prognosis of Alzheimer's Disease with Asymmetric Cross-Modal Cross-Attention Network", arXiv:2507.08855 (2025). In
spite of that title the task is a cross-sectional diagnosis: nothing here looks ahead. The seven clinical variables are not
published; these are harmonised scores that do not enter ADNI's own diagnosis, as MMSE and CDR do.
"""

from models.spec import (
    Class,
    Classification,
    Code,
    Field,
    Genotypes,
    ImageAttention,
    ImageInput,
    Intensity,
    ModelSpec,
    TabularInput,
)

IMAGENET_MEAN = (0.485, 0.456, 0.406)  # so that a pretrained trunk meets the statistics it was trained with
IMAGENET_STD = (0.229, 0.224, 0.225)
INTENSITY = Intensity(apply_voi=False, low_percentile=0.5, high_percentile=99.5)  # MR and PET windows mean nothing

MRI = ImageInput(
    name="mri",
    description="T1-weighted MRI of the head: a series, an enhanced object or NIfTI, of which the mid-sagittal plane is read",
    shape=(3, 224, 224),
    mean=IMAGENET_MEAN,
    std=IMAGENET_STD,
    intensity=INTENSITY,
    modalities=("MR",),
    sop_classes=(
        "1.2.840.10008.5.1.4.1.1.4",  # MR Image Storage
        "1.2.840.10008.5.1.4.1.1.4.1",  # Enhanced MR Image Storage
    ),
    body_parts=("HEAD", "BRAIN"),
    min_side_pixels=48,  # fewer slices than this are a localizer or a thick-slice protocol
    plane="mid_sagittal",
)

PET = ImageInput(
    name="pet",
    description="FDG-PET of the head: a series, an enhanced object or NIfTI, of which the mid-sagittal plane is read",
    shape=(3, 224, 224),
    mean=IMAGENET_MEAN,
    std=IMAGENET_STD,
    intensity=INTENSITY,
    modalities=("PT",),
    sop_classes=(
        "1.2.840.10008.5.1.4.1.1.128",  # Positron Emission Tomography Image Storage
        "1.2.840.10008.5.1.4.1.1.130",  # Enhanced PET Image Storage
    ),
    body_parts=("HEAD", "BRAIN"),
    min_side_pixels=32,  # older scanners have 35 planes of 4.25 mm
    plane="mid_sagittal",
)

CLINICAL = TabularInput(
    name="clinical",
    mask="present",
    fields=(
        Field(
            name="age_years", kind="number", unit="a", low=40, high=110, required=True, header="age_years", header_tolerance=1.0,
            description="Age at the examination, in years",
        ),
        Field(
            name="sex", kind="category", levels=("female", "male"), required=True, header="sex", header_tolerance=0.0,
            description="Sex, as the reference data use it",
        ),
        Field(
            name="education_years", kind="number", unit="a", low=0, high=30,
            description="Years of education (ADNI PTEDUCAT)",
        ),
        Field(
            name="phc_mem", kind="number", unit="1", low=-5, high=5, required=True,
            description="Memory, harmonised composite score (ADSP PHC_MEM), like a z-score: lower is worse",
        ),
        Field(
            name="phc_exf", kind="number", unit="1", low=-5, high=5, required=True,
            description="Executive function, harmonised composite score (ADSP PHC_EXF), like a z-score: lower is worse",
        ),
        Field(
            name="phc_lan", kind="number", unit="1", low=-5, high=5,
            description="Language, harmonised composite score (ADSP PHC_LAN), like a z-score: lower is worse",
        ),
        Field(
            name="phc_vsp", kind="number", unit="1", low=-5, high=5,
            description="Visuospatial ability, harmonised composite score (ADSP PHC_VSP), like a z-score: lower is worse",
        ),
    ),
)

DIAGNOSIS = Classification(
    tensor="diagnosis",
    exclusive=True,
    classes=(
        Class(
            name="cn", threshold=None,
            code=Code(value="449888003", scheme_designator="SCT", meaning="Normal cognition"),
        ),
        Class(
            name="mci", threshold=None,
            code=Code(value="386805003", scheme_designator="SCT", meaning="Mild cognitive impairment"),
        ),
        Class(
            name="ad", threshold=None,
            code=Code(value="26929004", scheme_designator="SCT", meaning="Alzheimer's disease"),
        ),
    ),
)

SPEC = ModelSpec(
    name="alzheimer",
    version="1.0.0",
    title="ACMCA: cognitive diagnosis from MRI, FDG-PET, genotypes and clinical metadata",
    intended_use=(
        "Decision support for specialists who examine adults for cognitive impairment: class probabilities of a cross-sectional "
        "diagnosis (cognitively normal, mild cognitive impairment, Alzheimer's disease) at the time of the examination, by a model "
        "trained on ADNI-type data. It says nothing of the future course, and is not a diagnosis."
    ),
    limitations=(
        "All four kinds of data are required: the model was not validated without MRI, FDG-PET, genotypes or clinical metadata.",
        "T1-weighted MRI and FDG-PET only. Headers do not tell the contrast or the tracer reliably, so neither is checked.",
        "One plane of each volume is read: what does not reach the midline is not seen.",
        "Other dementias are not among the classes; their patients are put into one of the three all the same.",
    ),
    images=(MRI, PET),
    table=CLINICAL,
    genotypes=Genotypes(
        name="genotypes",
        description="Calls at the variants of the artifact's panel: VCF, PLINK .raw, or the panel's JSON",
        max_missing=0.05,
    ),
    classifications=(DIAGNOSIS,),
    image_attention=(
        ImageAttention(tensor="mri_attention", input="mri", rows=7, columns=7),
        ImageAttention(tensor="pet_attention", input="pet", rows=7, columns=7),
    ),
    explanations=("gradcam", "shapley", "lime"),
)
