"""What all resources of one answer share: who answered, about which files, with which reservations, and its own namespace of UUIDs."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property
from uuid import UUID, uuid5

from models.prediction import Prediction, UsedImage
from service import __version__
from service.formats.algorithm import Algorithm
from service.formats.fhir.device import warnings
from service.formats.fhir.terminology import NAMESPACE, Json

OID = re.compile(r"[0-2](\.(0|[1-9][0-9]*))+")  # R4's datatype oid, without urn:oid:


@dataclass(frozen=True)
class Answer:
    """One Prediction of one network."""

    algorithm: Algorithm
    prediction: Prediction

    @cached_property
    def namespace(self) -> UUID:
        """A UUIDv5 of what was read and of what read it, this software included: the same have the same identifiers, others others.

        The checks count too: a service with another gate, or other limits, gives another answer.
        """
        reading, algorithm = self.prediction.reading, self.algorithm
        files = [[image.input, image.sha256] for image in reading.images]
        genotypes = reading.genotypes.sha256 if reading.genotypes else None
        metadata = {name: [field.value, field.source] for name, field in reading.metadata.items()}
        checks = [[check.check, check.passed, check.detail] for check in self.prediction.quality]
        who = [algorithm.spec.digest(), algorithm.digest, algorithm.provider, __version__]
        return uuid5(NAMESPACE, json.dumps([who, files, genotypes, metadata, checks], sort_keys=True, allow_nan=False))

    def urn(self, role: str) -> str:
        """The identifier of one part of the answer."""
        return uuid5(self.namespace, role).urn

    @property
    def reservations(self) -> list[str]:
        """The checks that did not pass, but for the training data: `warnings` says that."""
        failed = [check for check in self.prediction.quality if not check.passed and check.check != "training_data"]
        return [f"Reservation ({check.check}): {check.detail}" for check in failed]

    def notes(self, *own: str) -> list[Json]:
        """Warnings and a resource's own notes first, then the reservations about the whole answer, then what was read."""
        texts = [*warnings(self.algorithm), *own, *self.reservations, *self._files()]
        return [{"text": text} for text in texts]

    def studies(self) -> list[Json]:
        """The DICOM studies that were read, by their Study Instance UIDs: logical references, for the studies are not ours to write.

        R4's ImagingStudy has that UID as an identifier ``urn:oid:`` of the system ``urn:dicom:uid``. A UID that is none is left out.
        """
        uids = dict.fromkeys(image.study_instance_uid for image in self.prediction.reading.images)
        return [
            {"type": "ImagingStudy", "identifier": {"system": "urn:dicom:uid", "value": f"urn:oid:{uid}"}}
            for uid in uids
            if OID.fullmatch(uid)
        ]

    def _files(self) -> list[str]:
        genotypes = self.prediction.reading.genotypes
        read = [_provenance(image) for image in self.prediction.reading.images]
        return [*read, f"Read {genotypes.input}: sha256:{genotypes.sha256}"] if genotypes else read


def _provenance(image: UsedImage) -> str:
    names = {"SOP Instance UID": image.sop_instance_uid, "Series Instance UID": image.series_instance_uid}
    stated = [f"{name} {uid}" for name, uid in names.items() if uid]
    return ", ".join([f"Read {image.input}: sha256:{image.sha256}", *stated])
