"""The breast model: how mammogram and descriptors should be joined, and what is left where descriptors are missing."""

from __future__ import annotations

from training.ablation import BOOSTING, LINEAR, Comparison, Size, Study, Untestable, Variant

STUDY = Study(
    model="breast",
    paper="Nantogmah et al., arXiv:2508.16000 (2025)",
    metrics=("AUC", "accuracy", "Brier"),
    variants=(
        Variant("xattn", "the model: 49 places of the image ask five fields"),
        Variant("xattn-vector", "cross-attention between the features of two vectors, as the paper words it", {"form": "vector"}),
        Variant("co-attention", "the same in both directions", {"fusion": "co_attention", "form": "vector"}),
        Variant("concatenation", "both vectors joined without attention", {"fusion": "concatenation"}),
        Variant("no-modality-dropout", "the model, never trained without one modality", {"modality_dropout": 0.0}),
        Variant("image-only", "the mammogram alone", {"streams": "image"}),
        Variant("clinical-only", "the descriptors alone", {"streams": "clinical"}),
        LINEAR,
        BOOSTING,
    ),
    comparisons=(
        Comparison(
            "Does cross-attention add to joining both vectors?", "xattn", "concatenation",
            claim="Cross-attention is better than concatenation.", published="AUC 0.98 against 0.81",
        ),
        Comparison(
            "Does it in the form that the paper words?", "xattn-vector", "concatenation",
            claim="The same, between two vectors.", published="AUC 0.98 against 0.81",
        ),
        Comparison(
            "Is one direction better than both?", "xattn-vector", "co-attention",
            claim="Asymmetric cross-attention is the best of the three fusions.", published="the value of co-attention is not readable",
        ),
        Comparison("Is attention over places better than between features?", "xattn", "xattn-vector"),
        Comparison(
            "Do descriptors add to the mammogram?", "xattn", "image-only",
            claim="The fused model is better than the mammogram alone.", published="AUC 0.98 against 0.87",
        ),
        Comparison(
            "Is concatenation worse than the mammogram alone?", "image-only", "concatenation",
            claim="Plain concatenation is worse than the mammogram alone.", published="AUC 0.81 against 0.87",
        ),
        Comparison("Does the mammogram add to the descriptors?", "xattn", "clinical-only"),
        Comparison("A quarter of the fields missing: still better than concatenation?", "xattn", "concatenation", hidden=0.25),
        Comparison("Half of them?", "xattn", "concatenation", hidden=0.5),
        Comparison("All of them?", "xattn", "concatenation", hidden=1.0),
        Comparison(
            "With half of the fields missing, does it help to have trained without modalities?", "xattn", "no-modality-dropout", hidden=0.5,
            claim="Modality dropout makes the model robust to missing clinical data.", published="values not readable",
        ),
        Comparison(
            "And with all of them missing?", "xattn", "no-modality-dropout", hidden=1.0,
            claim="The same, with no clinical data at all.", published="values not readable",
        ),
        Comparison("Without descriptors, is it as good as a network of the image alone?", "xattn", "image-only", hidden=1.0),
        Comparison("Is it better than logistic regression on simple features?", "xattn", "linear"),
        Comparison("Is it better than gradient boosting on simple features?", "xattn", "boosting"),
    ),
    untestable=(
        Untestable(
            "AUC 0.98, accuracy 0.96, F1 0.94, precision 0.92, recall 0.95.", "on CBIS-DDSM and TCGA",
            "it takes CBIS-DDSM itself, split by patient; what was taken of TCGA is not told. Run --protocol published on it.",
        ),
        Untestable(
            "Explanations agree with radiological signs.", "in words only", "nobody scored them, and a phantom has no radiologist.",
        ),
    ),
    sizes={
        "small": Size(cases=800, epochs=12, batch_size=16, trials=2, network={"trunk_blocks": (1, 1, 1, 1), "half": True}),
        "full": Size(cases=4000, epochs=40, batch_size=32, trials=4, network={"trunk": "resnet50", "trunk_width": 64}),
    },
    published_protocol="the test tables of CBIS-DDSM are held out, validation grouped by patient; needs a cohort with test tables",
    official_test=True,
    hidden=(0.25, 0.5, 1.0),
    limits=(
        "Descriptors were drawn from the diagnosis, and lesions after the descriptors: how much each source tells was chosen by us.",
        "Fields are hidden at random. In practice a field is missing for a reason.",
    ),
)  # fmt: skip
