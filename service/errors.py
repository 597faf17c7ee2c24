"""What can go wrong in the service, beside what is wrong with a study (models.errors). Knows nothing of HTTP.

ServiceError ─┬─ RequestError ─┬─ MalformedRequestError       not the message it says it is
              │                ├─ SlowRequestError            did not arrive in time
              │                ├─ UnknownModelError           no such model here
              │                ├─ NotAcceptableError          no rendering that the caller accepts
              │                ├─ TooLargeRequestError        over a limit of the service
              │                ├─ UnsupportedMediaTypeError   not one of the four request forms
              │                ├─ InvalidParameterError       an unknown part, query parameter or explanation
              │                └─ CallerLeftError             nobody waits for the answer any more
              ├─ DecoderError ─┬─ DecodingTimeoutError        decoding took longer than a study may take
              │                └─ DecoderCrashedError         the decoder died of this study
              ├─ UnavailableError ─┬─ OverloadedError         a queue is full
              │                    ├─ DeadlineError           the deadline passed before the answer
              │                    ├─ NotReadyError           a model has not proved itself yet
              │                    └─ DrainingError           the service is stopping
              └─ ModelError ─┬─ ArtifactError                 the artifact is absent, damaged or not a single file
                             ├─ SpecMismatchError             the artifact was exported from another declaration
                             ├─ GoldenMismatchError           the artifact does not reproduce its golden case here
                             ├─ NotClinicalError              trained on synthetic data where that is not allowed
                             └─ ModelOutputError              the network's answer is not finite or not plausible

`str(error)`, `hint` and `details` are always safe to show and to log: they name fields and limits, never values.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple


class Pointed(NamedTuple):
    """One thing that is wrong, and where: an RFC 6901 JSON pointer into the request."""

    pointer: str
    detail: str


class ServiceError(Exception):
    """Something that the service cannot do; the message says what, the hint what to do about it."""

    code: ClassVar[str] = "service_error"
    default_hint: ClassVar[str] = "Quote the request id to whoever runs the service."

    def __init__(self, message: str, *, hint: str = "", details: tuple[Pointed, ...] = ()) -> None:
        super().__init__(message)
        self.hint = hint or self.default_hint
        self.details = details


class RequestError(ServiceError):
    """The caller's message cannot be served as it is."""

    code = "bad_request"
    default_hint = "Compare the request with GET /docs."


class MalformedRequestError(RequestError):
    """The message is not well formed: lengths, multipart, JSON."""

    code = "malformed_request"


class SlowRequestError(RequestError):
    """The body did not arrive within the time that a request may take."""

    code = "slow_request"
    default_hint = "Send the request again over a faster or more stable connection."


class UnknownModelError(RequestError):
    """No model of that name is served."""

    code = "unknown_model"
    default_hint = "GET /models lists the models that are served."


class NotAcceptableError(RequestError):
    """None of the renderings is one that the caller accepts."""

    code = "not_acceptable"
    default_hint = "GET /capabilities lists the renderings; application/json is the default."


class TooLargeRequestError(RequestError):
    """Larger than a limit of the service; said before memory is spent on it."""

    code = "request_too_large"
    default_hint = "Send less, or raise the limit that the message names."


class UnsupportedMediaTypeError(RequestError):
    """The Content-Type is not one of the request forms."""

    code = "unsupported_media_type"
    default_hint = 'Send multipart/form-data, multipart/related; type="application/dicom", application/dicom or application/json.'


class InvalidParameterError(RequestError):
    """A part, a query parameter or an explanation that the model does not have."""

    code = "invalid_parameter"


class CallerLeftError(RequestError):
    """The caller closed the connection before the answer was ready."""

    code = "caller_left"


class DecoderError(ServiceError):
    """A study that a decoder process could not survive."""

    code = "decoder_error"
    default_hint = "Send the instance again from the archive; if it fails there too, the stored object is damaged."


class DecodingTimeoutError(DecoderError):
    """Decoding took longer than a study may take."""

    code = "decoding_timeout"


class DecoderCrashedError(DecoderError):
    """The decoder process died of this study, or failed in a way it does not know."""

    code = "decoder_crashed"


class UnavailableError(ServiceError):
    """Not now: the same request may succeed after `retry_after_s` seconds."""

    code = "unavailable"
    default_hint = "Send the same request again after the time that Retry-After states."

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class OverloadedError(UnavailableError):
    """It would not be answered in time, or a queue or the memory is full: refused at the door, so that nobody waits in vain.

    `reason` is one of queue_full, predicted_wait and bytes; metrics count by it.
    """

    code = "overloaded"

    def __init__(self, message: str, *, retry_after_s: float, reason: str = "queue_full") -> None:
        super().__init__(message, retry_after_s=retry_after_s)
        self.reason = reason


class DeadlineError(UnavailableError):
    """The deadline passed before the answer; what was not begun is not evaluated."""

    code = "deadline_exceeded"
    default_hint = "Send it again after the time that Retry-After states, or grant more time with X-Deadline-Ms."
    reason = "deadline"


class NotReadyError(UnavailableError):
    """The model is loading, or did not prove itself."""

    code = "not_ready"


class DrainingError(UnavailableError):
    """The service is stopping; another instance will answer."""

    code = "draining"


class ModelError(ServiceError):
    """An artifact that must not be served, or an answer that must not be given."""

    code = "model_error"


class ArtifactError(ModelError):
    """The artifact is absent, too large, damaged, or made for another network."""

    code = "artifact_error"


class SpecMismatchError(ModelError):
    """The artifact was exported from another declaration than the one in models/."""

    code = "spec_mismatch"


class GoldenMismatchError(ModelError):
    """The artifact does not reproduce its golden case on this machine."""

    code = "golden_mismatch"


class NotClinicalError(ModelError):
    """The artifact was trained on synthetic data and the settings ask for clinical artifacts."""

    code = "not_clinical"


class ModelOutputError(ModelError):
    """The network's answer is not finite or not plausible: an error, not an answer."""

    code = "model_output_invalid"
