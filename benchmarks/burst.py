"""How long C-STORE acknowledgements take while a burst of mammograms comes in and is evaluated.

    python -m benchmarks.burst [--studies N] [--associations N] [--goal-ms MS]

Starts the real service with the reference artifact of breast, a gateway before it, and an archive that takes every result. A modality
sends N studies of one 4096 x 3328 image of 16 bits in lossless JPEG 2000, one after the other on each association, as fast as they are
acknowledged, and writes down how long each acknowledgement took; beside it the same disk is asked to write and sync as many bytes, for
no acknowledgement can be faster than that. Then it waits until every result has been delivered. Exits with 1 where the goal is missed.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pydicom
from pydicom.uid import generate_uid
from pynetdicom import AE, evt

from benchmarks.payloads import mammogram
from benchmarks.probe import COLUMNS, ROWS, start, told
from tests.contract.conftest import free_port
from tests.contract.gateways import running_gateway
from tests.models.decode.synthetic import J2K, compressed

MG = "1.2.840.10008.5.1.4.1.1.1.2"
TAKEN = ("1.2.840.10008.5.1.4.1.1.88.34", "1.2.840.10008.5.1.4.1.1.7")  # Comprehensive 3D SR and Secondary Capture
SETTLE_S = 900
CONFIG = """
spool = "{folder}/spool"
service = "http://127.0.0.1:{service}"
[receive]
port = {port}
any_caller = true
quiet_s = 1
[[routes]]
name = "mammograms"
model = "breast"
metadata = {{ lesion_type = "mass", density = "2", margins = ["MICROLOBULATED"], shape = ["ROUND"] }}
destinations = ["archive"]
[[destinations]]
kind = "dicom"
name = "archive"
ae_title = "ARCHIVE"
host = "127.0.0.1"
port = {archive}
"""


class Archive:
    """Takes results, and remembers which studies they came for."""

    def __init__(self, port: int) -> None:
        self.studies: set[str] = set()
        entity = AE("ARCHIVE")
        for sop_class in TAKEN:
            entity.add_supported_context(sop_class)
        self._server = entity.start_server(("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_STORE, self._store)])

    def _store(self, event: evt.Event) -> int:
        self.studies.add(str(event.dataset.StudyInstanceUID))
        return 0

    def close(self) -> None:
        """Take nothing more."""
        self._server.shutdown()


def studies(count: int) -> list[pydicom.Dataset]:
    """Studies of one image each: the same pixels, other names."""
    data = compressed(mammogram(ROWS, COLUMNS, 16), J2K, bits=16, Modality="MG", BodyPartExamined="BREAST", SOPClassUID=MG)
    print(f"{count} studies of {len(data) / 1e6:.1f} MB", flush=True)
    found = []
    for _ in range(count):
        dataset = pydicom.dcmread(io.BytesIO(data))
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID = (generate_uid() for _ in range(3))
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        found.append(dataset)
    return found


def send(port: int, sent: list[pydicom.Dataset], waited: list[float]) -> None:
    """One association: store each, and write down the milliseconds until its acknowledgement."""
    entity = AE("MODALITY")
    entity.add_requested_context(MG, J2K)
    association = entity.associate("127.0.0.1", port, ae_title="CHIASM")
    for dataset in sent:
        started = time.perf_counter()
        status = association.send_c_store(dataset)
        if status.get("Status") != 0:
            raise SystemExit(f"not stored: {status}")
        waited.append(1000 * (time.perf_counter() - started))
    association.release()


def disk(folder: Path, size: int, count: int = 20) -> np.ndarray:
    """Milliseconds that this disk takes to write and sync as many bytes."""
    content, waited = os.urandom(size), []
    for number in range(count):
        started = time.perf_counter()
        with (folder / f"probe{number}").open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        waited.append(1000 * (time.perf_counter() - started))
    return np.array(waited)


def measure(count: int, associations: int) -> np.ndarray:
    """Send all, wait for all results, and return the milliseconds of each acknowledgement."""
    service, asked = start("breast")
    port, archive_port = free_port(), free_port()
    archive = Archive(archive_port)
    with tempfile.TemporaryDirectory() as name:
        folder, waited = Path(name), list[float]()
        config = folder / "gateway.toml"
        config.write_text(CONFIG.format(folder=folder, service=asked, port=port, archive=archive_port))
        some = studies(count)
        print("disk:   ", told(disk(folder, len(some[0].PixelData))))
        try:
            with running_gateway(Path(sys.executable), config, port):
                threads = [threading.Thread(target=send, args=(port, some[k::associations], waited)) for k in range(associations)]
                started = time.monotonic()
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
                print(f"stored:  all within {time.monotonic() - started:.1f} s")
                while len(archive.studies) < count and time.monotonic() - started < SETTLE_S:
                    time.sleep(0.2)
                print(f"results: of {len(archive.studies)} studies within {time.monotonic() - started:.1f} s")
        finally:
            archive.close()
            service.terminate()
            service.wait()
    print("stores: ", told(np.array(waited)))
    return np.array(waited)


def main() -> int:
    """Measure, and compare with the goal."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=100)
    parser.add_argument("--associations", type=int, default=1)
    parser.add_argument("--goal-ms", type=float, default=200)
    given = parser.parse_args()
    return int(np.percentile(measure(given.studies, given.associations), 99) >= given.goal_ms)


if __name__ == "__main__":
    sys.exit(main())
