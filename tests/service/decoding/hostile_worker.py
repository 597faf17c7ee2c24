"""A decoder worker whose reader does what the metadata tell it: what hostile files do to real decoders."""

import ctypes
import os
import sys
import time
from pathlib import Path

import numpy as np

from models.decode import Limits
from models.errors import Detail, InvalidMetadataError
from models.prediction import FieldValue, Geometry, Quality, Reading, Resize, UnusedImage, UsedImage
from models.spec import ModelSpec
from models.study import Study
from service.decoding import worker


def read(spec: ModelSpec, study: Study, limits: Limits) -> Reading:
    command = study.metadata.get("do")
    if command in COMMANDS:
        COMMANDS[command](study)
    time.sleep(float(study.metadata.get("sleep", 0)))
    data = study.parts[0].data
    geometry = Geometry(0, 0, 1, 1, 1, 0, 0, mirrored=False)
    resize = Resize(1, 1, "none", 0.0, 100.0)
    why = f"pid {os.getpid()}, threads {limits.threads}, {limits.max_pixels}"
    used = UsedImage("image", "00", "1.2", "1.2.840", "MONOCHROME2", 1, 1, "none", 0, "none", geometry, resize, why)
    values = {"a": FieldValue(1.5, "request"), "b": FieldValue(None, "missing"), "c": FieldValue("x", "dicom")}
    tensors = {"image": np.frombuffer(data[:3], np.uint8).astype(np.float32).reshape(1, -1), "length": np.float32([len(data)])}
    quality = (Quality("name", passed=True, detail=spec.name),)
    return Reading(tensors, (used,), (UnusedImage("image", "11", "too dark"),), values, quality, {"decode": 1.0})


def refuse(_: Study) -> None:
    raise InvalidMetadataError("one field", hint="do better", details=(Detail("/metadata/a", "wrong"),))


def fail(study: Study) -> None:
    raise RuntimeError(f"a message with a secret: {study.metadata['words']}")


def grow(_: Study) -> None:
    np.ones(1 << 30, np.uint8).sum()


def print_native(study: Study) -> None:
    os.write(1, b"SECRET on stdout")
    os.write(2, b"SECRET on stderr")
    sys.stderr.write(str(study.metadata))
    sys.stderr.flush()


def spin(_: Study) -> None:
    while True:
        pass


COMMANDS = {
    "refuse": refuse, "fail": fail, "grow": grow, "print": print_native, "spin": spin,
    "die": lambda _: os._exit(3), "segfault": lambda _: ctypes.string_at(0),
    "write": lambda study: Path(study.metadata["path"]).write_bytes(b"x"),
}

if __name__ == "__main__":
    worker.main(sys.argv[1:], read)
