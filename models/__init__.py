"""What a model is: `SPECS` lists every one by its name."""

from models.alzheimer import SPEC as ALZHEIMER
from models.bmd import SPEC as BMD
from models.breast import SPEC as BREAST
from models.chest import SPEC as CHEST
from models.spec import ModelSpec

SPECS: dict[str, ModelSpec] = {spec.name: spec for spec in (BMD, BREAST, CHEST, ALZHEIMER)}
