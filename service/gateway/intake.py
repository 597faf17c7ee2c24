"""From an instance as it came, by whichever door, to the spool and the ledger: one way in, and the one place that acknowledges.

An instance is acknowledged when it is on the disk and in the ledger. One that is not is refused with a status, of which there is one
set for C-STORE (PS3.4 table B.2-1) and STOW-RS (PS3.18 table I.2-2): 0xA700 no room, or too large; 0xA900 not the instance that it is
said to be; 0xC000 no study, series or instance to be understood; 0x0122 a SOP class, 0xC122 a transfer syntax that is not taken; 0x0110
anything else.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import mmap
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import cast

from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.events import Event

from models.decode import Limits
from models.decode.dataset import read_file_meta
from models.decode.part10 import PREAMBLE, PREFIX
from models.decode.tags import Tag
from models.errors import StudyError
from service.gateway.config import Receive
from service.gateway.conformance import TRANSFER_SYNTAXES, storage_classes
from service.gateway.identity import Identity, UnidentifiedError, file_header, identify, is_uid
from service.gateway.ledger import Ledger, Received
from service.gateway.spool import Draft, Spool
from service.telemetry import fault, log

SUCCESS = 0x0000
PROCESSING_FAILURE = 0x0110
SOP_CLASS_NOT_SUPPORTED = 0x0122
OUT_OF_RESOURCES = 0xA700
DOES_NOT_MATCH = 0xA900
CANNOT_UNDERSTAND = 0xC000
SYNTAX_NOT_SUPPORTED = 0xC122
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
LARGEST_META = 1 << 16  # the file meta information has some hundred bytes


class RefusedError(Exception):
    """An instance that is not stored, for a reason that its sender is told by a status."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


@dataclass(frozen=True)
class Sent:
    """By whom instances were sent, and what was said of all of them."""

    called: str
    calling: str
    study_uid: str = ""  # where they were sent to one study
    expected: int = 0  # instances of the study, where somebody has said


@dataclass(frozen=True)
class Named:
    """What an instance is announced as."""

    sop_class: str
    sop_uid: str
    syntax: str

    @classmethod
    def by(cls, event: Event) -> Named:
        """In a C-STORE request, by the presentation context that it came by. Raises RefusedError where they differ (PS3.7 9.1.1.1)."""
        request, context = cast(C_STORE, event.request), event.context
        if request.AffectedSOPClassUID != context.abstract_syntax:
            raise RefusedError(SOP_CLASS_NOT_SUPPORTED)
        return cls(str(context.abstract_syntax), str(request.AffectedSOPInstanceUID), str(context.transfer_syntax))


def status_of(error: Exception) -> int:
    """What the sender of an instance is told. Whatever went wrong, the sender has to keep it, and may send the next one."""
    if isinstance(error, RefusedError):
        return error.status
    if isinstance(error, UnidentifiedError):
        return CANNOT_UNDERSTAND
    log.error("instance not stored", extra=fault(error))
    return OUT_OF_RESOURCES if isinstance(error, OSError) and error.errno in NO_ROOM else PROCESSING_FAILURE


class Intake:
    """Takes instances in; several doors and threads may share it. With `related`, the ledger learns which studies are of one patient."""

    def __init__(
        self, config: Receive, spool: Spool, ledger: Ledger, clock: Callable[[], float] = time.time, *, related: bool = False
    ) -> None:
        self._config, self._spool, self._ledger, self._clock, self.related = config, spool, ledger, clock, related
        self._classes = frozenset(storage_classes(config.storage_classes))

    @contextlib.contextmanager
    def incoming(self, called: str, calling: str) -> Iterator[Incoming]:
        """An instance that comes piece by piece; where the block ends before `Incoming.finish`, nothing of it is left."""
        with self._spool.draft() as draft:
            yield Incoming(self, draft, called, calling)

    def keep(self, sent: Sent, named: Named, data: memoryview) -> int:
        """Take in an instance that is in memory, as a C-STORE brings it; its status."""
        try:
            with self.incoming(sent.called, sent.calling) as incoming:
                incoming.begin(named.sop_class, named.sop_uid, named.syntax)
                incoming.write(data)
                incoming.finish(sent.study_uid, sent.expected)
        except Exception as error:  # noqa: BLE001  whatever it is, the sender has to keep the instance, and the association goes on
            return status_of(error)
        return SUCCESS

    def check_room(self, size: int) -> None:
        """Raise RefusedError where so many bytes do not fit above the watermark."""
        if self._spool.free_bytes() - size < self._config.min_free_bytes:
            raise RefusedError(OUT_OF_RESOURCES)

    def check_size(self, size: int) -> None:
        """Raise RefusedError for an object that is too large."""
        if size > self._config.max_object_bytes:
            raise RefusedError(OUT_OF_RESOURCES)

    def check_kind(self, sop_class: str, syntax: str) -> None:
        """Raise RefusedError for what would not have been negotiated."""
        if sop_class not in self._classes:
            raise RefusedError(SOP_CLASS_NOT_SUPPORTED)
        if syntax not in TRANSFER_SYNTAXES:
            raise RefusedError(SYNTAX_NOT_SUPPORTED)

    def note(self, received: Received) -> None:
        """Put it into the ledger. Where that fails, the file is left for Spool.sweep: it may not be known whether the ledger has it."""
        unneeded = self._ledger.receive(received, self._clock(), self._config.quiet_s)
        if unneeded:
            with contextlib.suppress(OSError):  # the instance is safe; the sweep comes by
                self._spool.remove(unneeded)


class Incoming:
    """One instance on its way in: a data set whose names were sent beside it (`begin`), or a file that begins with them (PS3.10).

    Every method raises RefusedError, UnidentifiedError or OSError; the instance is then not stored.
    """

    def __init__(self, intake: Intake, draft: Draft, called: str, calling: str) -> None:
        self.sop_class = self.sop_uid = ""  # as it was announced
        self._intake, self._draft, self._called, self._calling = intake, draft, called, calling
        self._syntax = ""
        self._head = bytearray()  # of a file, until its meta information is there
        self._header_bytes = self._size = 0
        self._digest = hashlib.sha256()

    def begin(self, sop_class: str, sop_uid: str, syntax: str) -> None:
        """Say what follows; the received preamble of a file is never kept."""
        self.sop_class, self.sop_uid, self._syntax = sop_class, sop_uid, syntax
        self._intake.check_kind(sop_class, syntax)
        header = file_header(sop_class, sop_uid, syntax, self._calling)
        self._draft.write(header)
        self._header_bytes = len(header)
        self._digest.update(syntax.encode())  # the same bytes in another syntax are another instance

    def write(self, piece: bytes | memoryview) -> None:
        """Add what has come."""
        if self._syntax:
            self._add(piece)
            return
        self._head += piece
        if len(self._head) > LARGEST_META:
            self._open()

    def finish(self, study_uid: str = "", expected: int = 0) -> Identity:
        """Acknowledge: it is on the disk and in the ledger. `study_uid` is the study that it was sent to, where one was named."""
        if not self._syntax:
            self._open()
        identity = self._identified()
        if (identity.sop_class, identity.sop_uid) != (self.sop_class, self.sop_uid) or study_uid not in ("", identity.study_uid):
            raise RefusedError(DOES_NOT_MATCH)
        file = self._draft.keep()
        patient = identity.patient if self._intake.related else ""
        self._intake.note(Received(
            study_uid=identity.study_uid, series_uid=identity.series_uid, sop_uid=identity.sop_uid, sop_class=identity.sop_class,
            transfer_syntax=self._syntax, sha256=self._digest.hexdigest(), file=file, size=self._size,
            called=self._called, calling=self._calling, expected=identity.expected or expected,
            patient=patient, study_date=identity.study_date, modality=identity.modality,
        ))  # fmt: skip
        return identity

    def _add(self, piece: bytes | memoryview) -> None:
        self._size += len(piece)
        self._intake.check_size(self._size)
        self._intake.check_room(len(piece))
        self._draft.write(piece)
        self._digest.update(piece)

    def _open(self) -> None:
        """Read the file meta information, and go on with the data set behind it."""
        if self._head[PREAMBLE : PREAMBLE + 4] != PREFIX:
            raise UnidentifiedError
        try:
            meta, start = read_file_meta(memoryview(bytes(self._head)), PREAMBLE + 4, Limits())
        except StudyError:
            raise UnidentifiedError from None
        tags = (Tag.MEDIA_STORAGE_SOP_CLASS_UID, Tag.MEDIA_STORAGE_SOP_INSTANCE_UID, Tag.TRANSFER_SYNTAX_UID)
        sop_class, sop_uid, syntax = (meta.text(tag) for tag in tags)
        if not all(map(is_uid, (sop_class, sop_uid, syntax))):
            raise UnidentifiedError
        self.begin(sop_class, sop_uid, syntax)
        self._add(memoryview(self._head)[start:])
        self._head = bytearray()

    def _identified(self) -> Identity:
        """Read from the draft, where all of it is: only its beginning is looked at."""
        self._draft.flush()
        with self._draft.partial.open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)  # closed with the last view of it
        return identify(memoryview(mapped)[self._header_bytes :], self._syntax)
