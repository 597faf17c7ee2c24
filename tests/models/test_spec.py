"""The declaration and its digest."""

import pytest

from models import SPECS
from models.spec import ModelSpec
from tests.models.reading import MEASURED


@pytest.mark.parametrize("spec", SPECS.values(), ids=list(SPECS))
def test_the_digest_survives_a_round_trip_and_ignores_measured_values(spec):
    again = ModelSpec.model_validate_json(spec.with_measured(MEASURED).model_dump_json())
    assert again.digest() == spec.digest()
    assert again.measured == MEASURED


@pytest.mark.parametrize("spec", SPECS.values(), ids=list(SPECS))
def test_the_digest_changes_with_any_declared_value(spec):
    image = spec.images[0]
    changed = image.model_copy(update={"mean": (0.7, *image.mean[1:])})
    assert spec.model_copy(update={"images": (changed, *spec.images[1:])}).digest() != spec.digest()
