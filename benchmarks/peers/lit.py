"""LitServe: one process that takes requests, and a worker for each core; the fast queue, no batches."""

from __future__ import annotations

import litserve

from benchmarks.peers.study import CORES, TIMEOUT_S, Network, artifact, port


class Study(litserve.LitAPI):
    """Decodes and runs in the worker."""

    def setup(self, device: str) -> None:  # noqa: ARG002  its interface
        """Once in each worker."""
        self.network = Network(artifact())

    def decode_request(self, request: dict[str, object]) -> dict[str, list[object]]:
        """The form's fields -> tensors."""
        image, metadata = request["image"], request["metadata"]
        return self.network.read(image.file.read(), metadata)

    def predict(self, x: dict[str, object]) -> list[float]:
        """Tensors -> the first output."""
        return self.network.run(x).tolist()

    def encode_response(self, output: list[float]) -> dict[str, list[float]]:
        """The answer."""
        return {"answer": output}


if __name__ == "__main__":
    server = litserve.LitServer(Study(), accelerator="cpu", workers_per_device=CORES, timeout=TIMEOUT_S, fast_queue=True)
    server.run(host="127.0.0.1", port=port(), num_api_servers=1, log_level="warning", generate_client_file=False)
