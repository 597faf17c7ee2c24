"""What a model is. `SPECS` lists them all: name -> ModelSpec."""

from models.bmd import SPEC as BMD
from models.breast import SPEC as BREAST
from models.spec import ModelSpec

SPECS: dict[str, ModelSpec] = {spec.name: spec for spec in (BMD, BREAST)}
