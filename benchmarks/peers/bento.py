"""BentoML: a worker process for each core, one request at a time in each; a file comes as a path and JSON read, as its documentation shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bentoml

from benchmarks.peers.study import CORES, TIMEOUT_S, Network, artifact


@bentoml.service(workers=CORES, threads=1, traffic={"timeout": TIMEOUT_S})
class Study:
    """The service class that BentoML serves."""

    def __init__(self) -> None:
        self.network = Network(artifact())

    @bentoml.api(route="/predict")
    def predict(self, image: Path, metadata: dict[str, Any]) -> dict[str, list[float]]:
        """The answer."""
        return self.network.answer(image.read_bytes(), metadata)
