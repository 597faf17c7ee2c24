"""What this gateway speaks: SOP classes and transfer syntaxes, in one place, from which it listens and from which it can be described."""

from __future__ import annotations

from collections.abc import Iterable

from pynetdicom import ALL_TRANSFER_SYNTAXES, AllStoragePresentationContexts

VERIFICATION = "1.2.840.10008.1.1"
FIND, MOVE, GET = (f"1.2.840.10008.5.1.4.1.2.2.{number}" for number in (1, 2, 3))  # Study Root, PS3.4 C.6.2
TRANSFER_SYNTAXES = tuple(str(uid) for uid in ALL_TRANSFER_SYNTAXES)


def storage_classes(private: Iterable[str] = ()) -> tuple[str, ...]:
    """Every storage class of the standard, for an archive forwards whole studies; then those that a configuration adds."""
    standard = [str(context.abstract_syntax) for context in AllStoragePresentationContexts]
    return tuple(dict.fromkeys([*standard, *private]))
