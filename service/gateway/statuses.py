"""What an archive says of an object: statuses of C-STORE (PS3.4 B.2.3, PS3.7 annex C), failure reasons of STOW-RS (PS3.18 I.2.2).

A warning is success: the object is stored. Only a status that refuses this very object is permanent; all others may pass.
"""

from __future__ import annotations

from service.gateway.errors import PermanentError, TransientError

STORED = frozenset({
    0x0000,
    0x0001, 0x0107, 0x0116,  # warnings of PS3.7 annex C
    *range(0xB000, 0xC000),  # warnings, of which PS3.4 names B000 coerced, B006 elements discarded and B007 does not match the class
    0x0111,  # duplicate SOP instance: it came the last time, when the answer was lost, for our UIDs are digests of what they name
})  # fmt: skip
REFUSED = frozenset({
    0x0106, 0x0115, 0x0120, 0x0121,  # what is in it
    0x0112, 0x0117, 0x0118, 0x0119, 0x0122,  # what it is
    0x0124, 0x0211, 0x0212,  # that we ask
    *range(0xA900, 0xAA00),
    *range(0xC000, 0xD000),
})  # fmt: skip
MEANINGS = {
    0x0110: "processing failure", 0x0117: "invalid SOP instance", 0x0122: "SOP class not supported", 0x0124: "not authorised",
    0x0213: "resource limitation", 0xC122: "transfer syntax not supported",
}  # fmt: skip
BLOCKS = {0xA7: "out of resources", 0xA9: "data set does not match SOP class"}


def judge(status: int) -> None:
    """Return where the object is stored.

    Raises
    ------
    PermanentError
        The archive refuses this object.
    TransientError
        It is not stored, and the next time it may be.
    """
    if status in STORED:
        return
    reason = f"not stored, status 0x{status:04X}: {_meaning(status)}"
    if status in REFUSED:
        raise PermanentError(reason)
    raise TransientError(reason)


def _meaning(status: int) -> str:
    general = "cannot understand" if status >> 12 == 0xC else "failure"
    return MEANINGS.get(status) or BLOCKS.get(status >> 8, general)
