"""Every status that an archive may answer: stored, refused, or neither."""

from __future__ import annotations

import pytest

from service.gateway.errors import PermanentError, TransientError
from service.gateway.statuses import judge


@pytest.mark.parametrize("status", [0x0000, 0x0001, 0x0107, 0x0111, 0x0116, 0xB000, 0xB006, 0xB007, 0xBFFF])
def test_success_and_warnings_are_stored(status):
    judge(status)


@pytest.mark.parametrize(
    ("status", "kind", "said"),
    [
        (0xA700, TransientError, "0xA700: out of resources"),
        (0xA7FF, TransientError, "0xA7FF: out of resources"),
        (0x0110, TransientError, "0x0110: processing failure"),
        (0x0210, TransientError, "0x0210: failure"),
        (0x0213, TransientError, "0x0213: resource limitation"),
        (0x1234, TransientError, "0x1234: failure"),
        (0xA800, TransientError, "0xA800: failure"),
        (0xAA00, TransientError, "0xAA00: failure"),
        (0xFE00, TransientError, "0xFE00: failure"),
        (0xFFFF, TransientError, "0xFFFF: failure"),
        (0xA900, PermanentError, "0xA900: data set does not match SOP class"),
        (0xA9FF, PermanentError, "0xA9FF: data set does not match SOP class"),
        (0xC000, PermanentError, "0xC000: cannot understand"),
        (0xCFFF, PermanentError, "0xCFFF: cannot understand"),
        (0xC122, PermanentError, "0xC122: transfer syntax not supported"),
        (0x0117, PermanentError, "0x0117: invalid SOP instance"),
        (0x0122, PermanentError, "0x0122: SOP class not supported"),
        (0x0124, PermanentError, "0x0124: not authorised"),
    ],
)
def test_every_other_status_is_told_as_it_is(status, kind, said):
    with pytest.raises(kind, match=said):
        judge(status)
