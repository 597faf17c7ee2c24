"""What a model is. `SPECS` lists those that are served, each with an artifact: name -> ModelSpec."""

from models.bmd import SPEC as BMD
from models.spec import ModelSpec

SPECS: dict[str, ModelSpec] = {spec.name: spec for spec in (BMD,)}
