"""A multipart body of instances (PS3.18 8.6.1.2), sent to us or asked for: part by part into the intake, as it comes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

from python_multipart.multipart import parse_options_header

from service.errors import TooLargeRequestError, UnsupportedMediaTypeError
from service.gateway.intake import SUCCESS, Incoming, Intake, Sent, status_of
from service.multipart import Headers, Multipart

DICOM, RELATED = b"application/dicom", b"multipart/related"


@dataclass
class Outcome:
    """What became of each part of one body."""

    stored: list[tuple[str, str]] = field(default_factory=list)  # SOP class and instance
    failed: list[tuple[str, str, int]] = field(default_factory=list)  # the same, as far as they are known, and the status

    def __len__(self) -> int:
        return len(self.stored) + len(self.failed)


def boundary_of(content_type: str) -> bytes:
    """The boundary of a body of application/dicom parts; parameters may be quoted or not.

    Raises UnsupportedMediaTypeError for any other kind of body.
    """
    kind, options = parse_options_header(content_type)
    if kind.lower() != RELATED or options.get(b"type", DICOM).lower() != DICOM:
        raise UnsupportedMediaTypeError('the body is not multipart/related; type="application/dicom"')
    return options.get(b"boundary", b"")


class Storing:
    """One body. Raises MalformedRequestError where its boundary is none."""

    def __init__(self, intake: Intake, sent: Sent, boundary: bytes, max_parts: int) -> None:
        self.outcome = Outcome()
        self._intake, self._sent, self._max_parts = intake, sent, max_parts
        self._multipart = Multipart(boundary)
        self._part: _Part | None = None
        self._stack = ExitStack()

    def run(self, chunks: Iterator[bytes]) -> Outcome:
        """Store every instance.

        Raises
        ------
        MalformedRequestError, TooLargeRequestError, UnsupportedMediaTypeError
            The body is no multipart, has too many parts, or parts that are no instances. `outcome` says what was stored before.
        """
        with self._stack:
            for chunk in chunks:
                for event in self._multipart.feed(chunk):
                    self._take(event)
            self._multipart.end()
            self._end()
        return self.outcome

    def _take(self, event: Headers | bytes) -> None:
        if not isinstance(event, bytes):
            self._end()
            self._begin(event)
        elif self._part is not None:
            self._part.add(event)

    def _begin(self, headers: Headers) -> None:
        if len(self.outcome) == self._max_parts:
            raise TooLargeRequestError(f"more than {self._max_parts} parts")
        kind, _ = parse_options_header(headers.get(b"content-type", DICOM))
        if kind.lower() != DICOM:
            raise UnsupportedMediaTypeError("a part is no application/dicom")
        self._part = _Part(self._intake, self._stack, self._sent)

    def _end(self) -> None:
        if self._part is not None:
            self._part.end(self.outcome)
            self._stack.close()
            self._part = None


class _Part:
    """One instance; after the first thing that is wrong with it, the rest is dropped."""

    def __init__(self, intake: Intake, stack: ExitStack, sent: Sent) -> None:
        self._sent, self._status = sent, SUCCESS
        self._incoming: Incoming | None = None
        self._try(lambda: setattr(self, "_incoming", stack.enter_context(intake.incoming(sent.called, sent.calling))))

    def add(self, piece: bytes) -> None:
        """More of it."""
        incoming = self._incoming
        if incoming is not None:
            self._try(lambda: incoming.write(piece))

    def end(self, outcome: Outcome) -> None:
        """Acknowledge it, and say what became of it."""
        incoming = self._incoming
        if incoming is not None:
            self._try(lambda: incoming.finish(self._sent.study_uid, self._sent.expected))
        names = (incoming.sop_class, incoming.sop_uid) if incoming is not None else ("", "")
        if self._status == SUCCESS:
            outcome.stored.append(names)
        else:
            outcome.failed.append((*names, self._status))

    def _try(self, step: Callable[[], object]) -> None:
        if self._status == SUCCESS:
            try:
                step()
            except Exception as error:  # noqa: BLE001  whatever it is, the next instance may be well
                self._status = status_of(error)
