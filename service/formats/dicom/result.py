"""What every object of a result has in common: equipment, time, series, and whose it is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from io import BytesIO
from typing import Any

from highdicom.coding_schemes import CodingSchemeIdentificationItem
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import UID

from models.spec import LOCAL_SCHEME
from service.formats import terms
from service.formats.algorithm import MANUFACTURER, Algorithm, is_synthetic
from service.formats.dicom.identity import Names, uid
from service.formats.dicom.source import Source

NOT_CLINICAL = "Trained on synthetic phantoms. Not for clinical use."
LO = 64  # characters of a long string, PS3.5 table 6.2-1
IMPLEMENTATION_UID = UID(uid("implementation"))  # PS3.7 D.3.3.2


@dataclass(frozen=True)
class Result:
    """The frame of one object."""

    algorithm: Algorithm
    source: Source
    names: Names
    at: datetime  # when the study was evaluated, with its time zone

    def arguments(self, kind: str, number: int) -> dict[str, Any]:
        """What every highdicom object asks for."""
        spec, when = self.algorithm.spec, self._local()
        warning = " NOT FOR CLINICAL USE" if is_synthetic(self.algorithm) else ""
        return {
            "series_instance_uid": self.names.series(kind, self.source.all[0].study_instance_uid),
            "series_number": number,
            "sop_instance_uid": self.names.instance(kind),
            "instance_number": 1,
            "manufacturer": MANUFACTURER,
            "manufacturer_model_name": f"{MANUFACTURER} {spec.name}",
            "software_versions": spec.version,
            "device_serial_number": self.algorithm.digest.removeprefix("sha256:")[:LO],
            "series_description": f"{MANUFACTURER} {spec.name} {spec.version}{warning}"[:LO],
            "content_date": when.date(),
            "content_time": when.time(),
            "coding_schemes": [CodingSchemeIdentificationItem(LOCAL_SCHEME, name=terms.SCHEME_NAME, responsible_organization=MANUFACTURER)],
        }

    def finished(self, result: Dataset) -> bytes:
        """The object with its patient, study, time and equipment, as a file (PS3.10)."""
        self.source.fill(result)
        when = self._local()
        result.InstanceCreationDate, result.InstanceCreationTime = when.strftime("%Y%m%d"), when.strftime("%H%M%S.%f")
        result.ContributingEquipmentSequence = [self._equipment()]  # in place of the library's own item, which is no equipment
        result.file_meta.ImplementationClassUID = IMPLEMENTATION_UID
        result.file_meta.ImplementationVersionName = MANUFACTURER.upper()
        target = BytesIO()
        result.save_as(target, enforce_file_format=True)
        return target.getvalue()

    def _local(self) -> datetime:
        """In the time zone that all times of the object are in: the one of the source, or the machine's where it says none."""
        match = re.match(r"([+-])(\d\d)(\d\d)", self.source.timezone)
        if match is None:
            return self.at.astimezone()
        offset = timedelta(hours=int(match[2]), minutes=int(match[3]))
        return self.at.astimezone(timezone(-offset if match[1] == "-" else offset))

    def _equipment(self) -> Dataset:
        """The network as contributing equipment (PS3.3 C.12.1.1.5): another Device UID whenever it was trained again."""
        spec, code = self.algorithm.spec, codes.DCM.ProcessingEquipment
        purpose = Dataset()
        purpose.CodeValue, purpose.CodingSchemeDesignator, purpose.CodeMeaning = code.value, code.scheme_designator, code.meaning
        item = Dataset()
        item.PurposeOfReferenceCodeSequence = [purpose]
        item.Manufacturer, item.ManufacturerModelName = MANUFACTURER, f"{MANUFACTURER} {spec.name}"
        item.SoftwareVersions = spec.version
        item.DeviceUID = self.names.device_uid
        return item
