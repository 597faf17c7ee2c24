"""A Reading made by hand, for tests of what comes after the network."""

import numpy as np

from models.bmd import METADATA, SPEC
from models.prediction import FieldValue, Geometry, Reading, Resize, UsedImage
from models.spec import ErrorDistribution, Measured

ERRORS = ErrorDistribution(level=0.9, half_width=0.1, cases=99, absolute_errors=tuple(np.linspace(0, 0.2, 21).tolist()))
WIDER = ErrorDistribution(level=0.9, half_width=0.2, cases=99, absolute_errors=tuple(np.linspace(0, 0.4, 21).tolist()))
MEASURED = Measured(
    training_data="synthetic phantoms",
    recipe="reference",
    seed=0,
    errors={"femoral_neck_bmd": ERRORS},
    errors_without_context={"femoral_neck_bmd": WIDER},
)
MEASURED_SPEC = SPEC.with_measured(MEASURED)


def reading(**fields):
    values = {field.name: FieldValue(None, "missing") for field in METADATA.fields}
    values |= {name: FieldValue(value, "request") for name, value in fields.items()}
    geometry = Geometry(0, 0, 512, 416, 512, 0, 48, mirrored=False)
    resize = Resize(224, 224, "bilinear", 0.5, 99.5)
    used = UsedImage("image", "00" * 32, "", "", "MONOCHROME2", 512, 416, "test", 0, "none", geometry, resize, "the only one")
    return Reading({}, (used,), (), values, (), {"decode": 1.0, "preprocess": 2.0})


def outputs(bmd, present=("sex",)):
    names = [field.name for field in METADATA.network_fields]
    weights = np.array([float(name in present) for name in names], np.float32)
    return {
        "bmd": np.array([bmd], np.float32),
        "metadata_attention": weights / weights.sum(),
        "image_attention": np.full((7, 7), 1 / 49, np.float32),
    }
