"""mosec: its front end in Rust, and a worker for each core, which parses the form as mosec does not."""

from __future__ import annotations

import io
import json

import mosec
from python_multipart.multipart import File, parse_form

from benchmarks.peers.study import CORES, TIMEOUT_S, Network, artifact


class Study(mosec.Worker):
    """Decodes and runs one request at a time."""

    def __init__(self) -> None:
        self.network = Network(artifact())

    def deserialize(self, data: bytes) -> tuple[bytes, bytes]:
        """A multipart body -> image and metadata; the boundary is its first line, for workers see no headers."""
        boundary = data[2 : data.index(b"\r\n")]
        found: dict[bytes, bytes] = {}

        def file(part: File) -> None:
            part.file_object.seek(0)
            found[part.field_name or b""] = part.file_object.read()

        head = {"Content-Type": b"multipart/form-data; boundary=" + boundary, "Content-Length": str(len(data)).encode()}
        parse_form(head, io.BytesIO(data), lambda field: found.update({field.field_name: field.value}), file)
        return found[b"image"], found[b"metadata"]

    def forward(self, data: tuple[bytes, bytes]) -> dict[str, list[float]]:
        """The answer."""
        return self.network.answer(data[0], json.loads(data[1]))

    def serialize(self, data: dict[str, list[float]]) -> bytes:
        """As JSON."""
        return json.dumps(data).encode()


if __name__ == "__main__":
    server = mosec.Server()
    server.append_worker(Study, num=CORES, timeout=TIMEOUT_S, route="/predict")
    server.run()
