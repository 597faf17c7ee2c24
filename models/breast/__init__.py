"""A mammogram crop of one lesion and its descriptors -> benign or malignant.

After Nantogmah, Alhassan & Alhassan, arXiv:2508.16000 (2025). The 36 descriptor values are those of CBIS-DDSM (Sawyer-Lee et al., 2017),
in alphabetical order within each field; the assessment (BI-RADS category) is left out on purpose, for it is nearly the label.
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
    MetadataAttention,
    ModelSpec,
    TabularInput,
)

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

LESION = ImageInput(
    name="image",
    description="Mammogram cropped to one lesion, with some tissue around it",
    shape=(3, 224, 224),
    mean=IMAGENET_MEAN,
    std=IMAGENET_STD,
    intensity=Intensity(apply_voi=True, low_percentile=0.5, high_percentile=99.5),
    modalities=("MG",),
    sop_classes=(
        "1.2.840.10008.5.1.4.1.1.1.2",  # Digital Mammography X-Ray Image Storage - For Presentation
        "1.2.840.10008.5.1.4.1.1.7",  # Secondary Capture Image Storage: how CBIS-DDSM stores its crops
    ),
    body_parts=("BREAST",),
    min_side_pixels=32,
)

MASS, CALCIFICATION = "mass", "calcification"
DESCRIPTORS = TabularInput(
    name="clinical",
    mask="present",
    fields=(
        Field(
            name="density", kind="categories", single=True, levels=("1", "2", "3", "4"),
            aliases=(("A", "1"), ("B", "2"), ("C", "3"), ("D", "4")),
            description="Breast density, 1 (almost entirely fatty) to 4 (extremely dense); a to d of BI-RADS 5 mean the same, nominally",
        ),
        Field(
            name="shape", kind="categories", excluded_by=(("lesion_type", CALCIFICATION),),
            levels=(
                "ARCHITECTURAL_DISTORTION", "ASYMMETRIC_BREAST_TISSUE", "FOCAL_ASYMMETRIC_DENSITY", "IRREGULAR", "LOBULATED",
                "LYMPH_NODE", "OVAL", "ROUND",
            ),
            aliases=(("ASYMMETRY", "ASYMMETRIC_BREAST_TISSUE"), ("FOCAL_ASYMMETRY", "FOCAL_ASYMMETRIC_DENSITY")),
            description="Shape of a mass; several may hold",
        ),
        Field(
            name="margins", kind="categories", excluded_by=(("lesion_type", CALCIFICATION),),
            levels=("CIRCUMSCRIBED", "ILL_DEFINED", "MICROLOBULATED", "OBSCURED", "SPICULATED"),
            aliases=(("INDISTINCT", "ILL_DEFINED"),),
            description="Margins of a mass; several may hold. Indistinct of BI-RADS 5 is ILL_DEFINED here",
        ),
        Field(
            name="calc_type", kind="categories", excluded_by=(("lesion_type", MASS),),
            levels=(
                "AMORPHOUS", "COARSE", "DYSTROPHIC", "EGGSHELL", "FINE_LINEAR_BRANCHING", "LARGE_RODLIKE", "LUCENT_CENTER",
                "LUCENT_CENTERED", "MILK_OF_CALCIUM", "PLEOMORPHIC", "PUNCTATE", "ROUND_AND_REGULAR", "SKIN", "VASCULAR",
            ),
            aliases=(
                ("FINE_PLEOMORPHIC", "PLEOMORPHIC"), ("FINE_LINEAR", "FINE_LINEAR_BRANCHING"),
                ("FINE_LINEAR_OR_FINE_LINEAR_BRANCHING", "FINE_LINEAR_BRANCHING"), ("RIM", "EGGSHELL"), ("ROUND", "ROUND_AND_REGULAR"),
                ("LARGE_ROD_LIKE", "LARGE_RODLIKE"), ("POPCORN", "COARSE"), ("COARSE_OR_POPCORN_LIKE", "COARSE"),
            ),
            description="Type of calcifications; several may hold. Coarse heterogeneous and suture have no value here: leave them out",
        ),
        Field(
            name="calc_distribution", kind="categories", excluded_by=(("lesion_type", MASS),),
            levels=("CLUSTERED", "DIFFUSELY_SCATTERED", "LINEAR", "REGIONAL", "SEGMENTAL"),
            aliases=(("GROUPED", "CLUSTERED"), ("DIFFUSE", "DIFFUSELY_SCATTERED")),
            description="Distribution of calcifications; several may hold. Grouped of BI-RADS 5 is CLUSTERED here",
        ),
        Field(
            name="lesion_type", kind="category", levels=(MASS, CALCIFICATION), network=False,
            description="What the lesion is: descriptors of the other kind are then a contradiction",
        ),
        Field(
            name="age_years", kind="number", unit="a", low=18, high=110, header="age_years", header_tolerance=1.0, network=False,
            description="Age, in years: not read by the network, but compared with the header",
        ),
    ),
)

FINDINGS = Classification(
    tensor="probabilities",
    exclusive=True,
    classes=(
        Class(
            name="benign",
            code=Code(value="BREAST-BENIGN", scheme_designator=LOCAL_SCHEME, meaning="Breast lesion estimated to be benign"),
        ),
        Class(
            name="malignant",
            code=Code(value="BREAST-MALIGNANT", scheme_designator=LOCAL_SCHEME, meaning="Breast lesion estimated to be malignant"),
        ),
    ),
)

SPEC = ModelSpec(
    name="breast",
    version="1.0.0",
    title="Breast lesion, benign or malignant, from a mammogram crop and its descriptors",
    intended_use=(
        "Second opinion on a lesion that a radiologist has found and described on a mammogram: the probability that it is malignant. "
        "It finds no lesions, and is no reason to leave out a biopsy."
    ),
    limitations=(
        "One lesion at a time, cropped with some tissue around it; not a whole mammogram, not tomosynthesis.",
        "Trained for film mammograms digitised as in CBIS-DDSM; descriptors in its lexicon.",
    ),
    images=(LESION,),
    table=DESCRIPTORS,
    classifications=(FINDINGS,),
    metadata_attention=MetadataAttention(tensor="metadata_attention", input="clinical"),
    image_attention=(ImageAttention(tensor="image_attention", input="image", rows=7, columns=7),),
    explanations=("gradcam", "shapley", "lime"),
)
