import pytest

from models.errors import StudyError
from service.api import problems
from service.api.serving import OUTCOMES
from service.errors import ServiceError


def tree(kind: type[Exception]) -> set[type[Exception]]:
    return {kind}.union(*map(tree, kind.__subclasses__()))


# The gateway is a process of its own: its errors never reach a caller of the service, whether a test has imported them or not.
KINDS = sorted(
    (kind for kind in tree(StudyError) | tree(ServiceError) if not kind.__module__.startswith("service.gateway")),
    key=lambda kind: kind.__name__,
)


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_has_a_status_a_title_a_code_a_hint_and_an_outcome(kind):
    status = problems.status_of(kind)
    assert 400 <= status <= 503
    assert problems.title_of(status)
    assert kind.code == kind.code.lower()
    assert kind.default_hint.endswith(".")
    assert any(base in OUTCOMES for base in kind.__mro__)


def test_codes_are_unique():
    assert len({kind.code for kind in KINDS}) == len(KINDS)


def test_every_error_that_a_prediction_may_answer_is_documented():
    internal = {"StudyError", "ServiceError", "RequestError", "DecoderError", "UnavailableError", "ModelError", "CallerLeftError"}
    at_start = {"ArtifactError", "SpecMismatchError", "GoldenMismatchError", "NotClinicalError"}
    assert {kind.__name__ for kind in KINDS} - internal - at_start == {kind.__name__ for kind in problems.KINDS}


@pytest.mark.parametrize("code", ["too_large", "request_too_large"])
def test_a_status_is_documented_with_each_of_its_codes(code):
    assert code in problems.documented(problems.KINDS)[413]["content"][problems.MEDIA_TYPE]["examples"]
