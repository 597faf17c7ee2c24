"""High-Throughput JPEG 2000: a small codestream of another project's encoder (OpenJPH), and the values that went into it."""

import base64

import numpy as np
import pytest

from models.decode import decode, read_header, stored_values
from models.errors import StudyError
from tests.models.decode.synthetic import LIMITS, compressed

CODESTREAM = base64.b64decode(
    "/0//UQApQAAAAAAUAAAAGAAAAAAAAAAAAAAAFAAAABgAAAAAAAAAAAABDwEB/1AACAACAAAACv9SAAwAAgABAAUEBEAB/1wAEyCIkJCQkJCQkJCQkJCQiIiI"
    "/2QAFwABT3BlbkpQSCBWZXIgMC4yNi4zLv+QAAoAAAAAANoAAf+TwAAmLfgFB3QAwAATQAATQAATAAL7Awd0ADL4Awd0AJj+Aod0AMAAEsAAE0AAEgBhAAt0"
    "AKfwACI0AP4AYwDAABUQAAVUAAEg4fUAAjACdgBSqSjxwEIB/rYA/IazAMAAFoQAAVsAAFQAEpH8aAMAqDfx3Zu34Yt3AKZcCSTC9AxGMQHsuAAA4NZmZPUW"
    "AMAALYgABa0AAJh4AoSDogGZWDLA/e/kCXKUsp6enpxCXQBICmTxBAgHZfv/UAQ9iEB7zhCB7L0A/P9gBFUA/9k="
)
SYNTAXES = ("1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.202", "1.2.840.10008.1.2.4.203")


def pixels():
    y, x = np.mgrid[0:24, 0:20]
    return ((37 * y + 61 * x + 3 * x * y) % 4096).astype("<u2")


def file(syntax, frame):
    return compressed(pixels(), syntax, bits=16, frames=[frame + b"\0" * (len(frame) % 2)])


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_every_stored_value_comes_back(syntax):
    data = file(syntax, CODESTREAM)
    assert np.array_equal(stored_values(data, read_header(data, LIMITS), LIMITS), pixels())


@pytest.mark.parametrize("length", [60, 120, 200, 300, 320, 333])
@pytest.mark.parametrize("end", [b"", b"\xff\xd9"])
def test_one_that_is_cut_is_refused(length, end):
    data = file(SYNTAXES[0], CODESTREAM[: min(length, len(CODESTREAM) - 3)] + end)
    with pytest.raises(StudyError):
        decode(data, read_header(data, LIMITS), LIMITS, apply_voi=False)
