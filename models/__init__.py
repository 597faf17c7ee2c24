"""What a model is. `DECLARED` lists all that can be trained, `SPECS` those that are served: what has a reference artifact."""

from models.alzheimer import SPEC as ALZHEIMER
from models.bmd import SPEC as BMD
from models.breast import SPEC as BREAST
from models.chest import SPEC as CHEST
from models.spec import ModelSpec

DECLARED: dict[str, ModelSpec] = {spec.name: spec for spec in (BMD, BREAST, CHEST, ALZHEIMER)}
SPECS: dict[str, ModelSpec] = DECLARED
