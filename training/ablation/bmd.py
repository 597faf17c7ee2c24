"""XAttn-BMD: which of its parts earn their keep."""

from __future__ import annotations

from training.ablation import BOOSTING, LINEAR, Comparison, Size, Study, Untestable, Variant

STUDY = Study(
    model="bmd",
    paper="Zhang et al., XAttn-BMD, arXiv:2511.14604 (2025)",
    metrics=("R2", "MAE", "ROC-AUC low_bone_mass", "recall low_bone_mass"),
    variants=(
        Variant("xattn", "the model: attention in both directions, fusion weight, key-value updater, weighted smooth L1"),
        Variant("concatenation", "both encoders joined without attention", {"direction": "none"}),
        Variant("image-asks", "the image asks the fields, not the other way round", {"direction": "img_from_meta"}),
        Variant("fields-ask", "the fields ask the image, not the other way round", {"direction": "meta_from_img"}),
        Variant("no-fusion-weight", "a plain sum in place of the learned fusion weight", {"fusion_weight": "none"}),
        Variant("no-updater", "keys and values as the encoders left them", {"kv_update": "none"}),
        Variant("smooth-l1", "smooth L1 without weights", loss="smooth_l1"),
        Variant("mse", "mean squared error as the loss", loss="mse"),
        Variant("mae", "mean absolute error as the loss", loss="mae"),
        Variant("image-only", "the radiograph alone", {"streams": "image"}),
        Variant("metadata-only", "the fields alone", {"streams": "metadata"}),
        LINEAR,
        BOOSTING,
    ),
    comparisons=(
        Comparison(
            "Does cross-attention add to joining both encoders?", "xattn", "concatenation",
            claim="Cross-attention is better than concatenation.", published="R2 +16.4 %, MSE -16.7 %, MAE -6.03 % (relative)",
        ),
        Comparison(
            "Does the weighted loss beat the plain smooth L1?", "xattn", "smooth-l1",
            claim="The weighted smooth L1 is better than the plain one.", published="in words only",
        ),
        Comparison(
            "And the squared error?", "xattn", "mse",
            claim="The same, against the mean squared error.", published="in words only",
        ),
        Comparison(
            "And the absolute error?", "xattn", "mae",
            claim="The same, against the mean absolute error.", published="in words only",
        ),
        Comparison(
            "Does weighting find more of those with low bone mass?", "xattn", "smooth-l1", metric="recall low_bone_mass",
            claim="Weighting low values raises the sensitivity near the clinical threshold.", published="in words only",
        ),
        Comparison("Does it take both directions, or may the image alone ask?", "xattn", "image-asks"),
        Comparison("Or the fields alone?", "xattn", "fields-ask"),
        Comparison(
            "Does the learned fusion weight help?", "xattn", "no-fusion-weight",
            claim="The layer-wise fusion weight refines the representation.", published="in words only",
        ),
        Comparison(
            "Does the key-value updater help?", "xattn", "no-updater",
            claim="The key-value updater refines the representation.", published="in words only",
        ),
        Comparison("Does it take the metadata?", "xattn", "image-only"),
        Comparison("Does it take the radiograph?", "xattn", "metadata-only"),
        Comparison("Is it better than a linear model on simple features?", "xattn", "linear"),
        Comparison("Is it better than gradient boosting on simple features?", "xattn", "boosting"),
    ),
    untestable=(
        Untestable(
            "The errors of the estimates, and how well they screen, on the Hertfordshire cohort.", "not readable in public",
            "the cohort is closed, and no figure of phantoms says how large an error is in patients.",
        ),
        Untestable(
            "The model generalises better than its baselines.", "in words only",
            "the paper has no other cohort than its own, and phantoms of one generator are one cohort.",
        ),
    ),
    sizes={
        "small": Size(cases=700, epochs=14, batch_size=16, trials=2, network={"trunk_blocks": (1, 1, 1, 1), "half": True}),
        "full": Size(cases=4000, epochs=40, batch_size=32, trials=4, network={"trunk_width": 64, "width": 128}),
    },
    published_protocol="stratified 10-fold cross-validation, of 233 patients unless --cases says otherwise",
    folds=10,
    published_cases=233,
    limits=(
        "In these phantoms the patient's size decides how much contrast the same mineral makes: an image must be read together with the "
        "metadata. A gain from fusion was planted, and finding it says that the network can fuse, not that radiographs reward it.",
    ),
)  # fmt: skip
