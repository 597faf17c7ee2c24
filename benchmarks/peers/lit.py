"""LitServe: one process that takes requests, and a worker for each core; the fast queue, no batches."""

# No postponed annotations: LitServe looks at the one of `request` to know whether a form may come.
import json

import litserve
from fastapi import Request

from benchmarks.peers.study import CORES, TIMEOUT_S, Network, artifact, port
from models.prediction import Tensors


class Study(litserve.LitAPI):
    """Decodes and runs in the worker."""

    def setup(self, device: str) -> None:  # noqa: ARG002  its interface
        """Once in each worker."""
        self.network = Network(artifact())

    def decode_request(self, request: Request) -> Tensors:
        """The fields of a form, which LitServe has read -> tensors."""
        return self.network.read(request["image"].file.read(), json.loads(request["metadata"]))

    def predict(self, x: Tensors) -> list[float]:
        """Tensors -> the first output."""
        return self.network.run(x).tolist()

    def encode_response(self, output: list[float]) -> dict[str, list[float]]:
        """The answer."""
        return {"answer": output}


if __name__ == "__main__":
    server = litserve.LitServer(Study(), accelerator="cpu", workers_per_device=CORES, timeout=TIMEOUT_S, fast_queue=True)
    server.run(host="127.0.0.1", port=port(), num_api_servers=1, log_level="warning", generate_client_file=False)
