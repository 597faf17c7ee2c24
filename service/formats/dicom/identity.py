"""Names of a result: the same input, model and settings give the same UIDs, so that sending twice stores once.

``2.25.`` and a UUID (PS3.5 B.2) that is a digest of what the result was made from (RFC 9562 section 5.5).
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from models.prediction import Prediction
from service import __version__
from service.formats.algorithm import Algorithm

NAMESPACE = uuid.UUID("856df770-caff-421f-a146-27ce89f0de58")  # drawn at random, once


def uid(*parts: str) -> str:
    """A UID that stands for these parts, in this order."""
    return f"2.25.{uuid.uuid5(NAMESPACE, json.dumps(parts)).int}"


@dataclass(frozen=True)
class Names:
    """The UIDs of everything about one answer."""

    fingerprint: str
    device_uid: str  # another one whenever the network was trained again

    @classmethod
    def of(cls, algorithm: Algorithm, prediction: Prediction) -> Names:
        """From the files, the metadata as it was used, the artifact, its declaration, where it ran, and this software."""
        reading = prediction.reading
        made_of = {
            "images": [(each.input, each.sha256, each.instance_uids) for each in reading.images],
            "genotypes": reading.genotypes.sha256 if reading.genotypes else "",
            "metadata": {name: (each.value, each.source) for name, each in reading.metadata.items()},
            "model": (algorithm.digest, algorithm.spec.digest(), algorithm.provider, __version__),
            "explanations": sorted(prediction.explanations),
        }
        return cls(json.dumps(made_of, sort_keys=True), uid("device", algorithm.digest))

    @classmethod
    def of_refused(cls, algorithm: Algorithm, files: Sequence[bytes], code: str) -> Names:
        """Of a study that was not evaluated: from its files, the network, and why."""
        made_of = [sorted(hashlib.sha256(data).hexdigest() for data in files), algorithm.digest, algorithm.spec.digest(), __version__, code]
        return cls(json.dumps(made_of), uid("device", algorithm.digest))

    def instance(self, kind: str) -> str:
        """SOP Instance UID of a kind of object."""
        return uid("instance", kind, self.fingerprint)

    def series(self, kind: str, study_instance_uid: str) -> str:
        """Series Instance UID: one series of a kind in a study for each trained network."""
        return uid("series", kind, study_instance_uid, self.device_uid)

    def tracking(self, name: str) -> str:
        """Tracking Unique Identifier of one measurement or finding (PS3.16 TID 4108)."""
        return uid("tracking", name, self.fingerprint)
