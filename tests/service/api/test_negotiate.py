import pytest

from service.api.negotiate import rendering
from service.errors import NotAcceptableError


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("", "application/json"), ("*/*", "application/json"), ("image/png", "image/png"), ("IMAGE/PNG", "image/png"),
        ("application/problem+json, application/json", "application/json"), ("image/*;q=0.2, application/*;q=0.9", "application/json"),
        ("application/json;q=2, image/png", "application/json"), ("application/json;q=0, */*;q=0.1", "image/png"),
        (",,", "application/json"), ("application/dicom", "application/dicom"), ("multipart/related", "multipart/related"),
        ('multipart/related; type="application/dicom"', "multipart/related"), ("multipart/related;type=application/dicom, */*;q=0.1",
        "multipart/related"), ('multipart/related; type="image/jpeg", image/png', "image/png"),
        ("application/fhir+json", "application/fhir+json"), ("application/*;q=0.5, text/plain", "application/json"),
        ("text/html", "text/html"),
        ("application/fhir+json; fhirVersion=4.0, */*;q=0.1", "application/fhir+json"),
        ("application/fhir+json; fhirVersion=4.3", "application/fhir+json"),
        ("application/fhir+json;fhirVersion=5.0, application/json;q=0.1", "application/json"),
        ("application/json;q=0.1;q=0.9, image/png;q=0.5", "image/png"),
    ],
)
def test_the_best_rendering_is_chosen(accept, kind):
    assert rendering(accept) == kind


@pytest.mark.parametrize(
    "accept",
    [
        "text/plain", "image/png;q=nan0", "*/*;q=0", "image/jpeg", ";q=1", "multipart/related; type=image/png",
        "application/fhir+json;fhirVersion=5.0",
    ],
)
def test_none_is_refused(accept):
    with pytest.raises(NotAcceptableError):
        rendering(accept)


def test_a_hostile_header_costs_nothing():
    with pytest.raises(NotAcceptableError):
        rendering("a/b;" * 8000)
