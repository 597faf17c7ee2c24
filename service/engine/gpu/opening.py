"""Opens a network where it is to run: a plain session on the CPU, a ladder on a GPU."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from service.engine.gpu.faults import fault_of
from service.engine.gpu.ladder import Ladder
from service.engine.gpu.lane import Lane
from service.engine.providers import Device
from service.engine.runtime import Runtime, Uploads, no_uploads
from service.errors import ArtifactError, ServiceError


def open_network(path: Path, device: Device, uploads: Uploads = no_uploads) -> Runtime | Ladder:
    """The network of a file on a device; `uploads` as for `Runtime`.

    Raises
    ------
    ArtifactError
        The file cannot be served, or not there: nothing steps back to the CPU at the start.
    """
    if device.provider == "cpu":
        return Runtime(path)
    opens = Reopened(path, device, uploads=uploads)
    try:
        return Ladder(opens.on_device, opens.on_cpu)
    except ServiceError:
        raise
    except Exception as error:  # ONNX Runtime has a class for each fault, and no base for them all
        hint = "Free memory of the GPU, or lower CHIASM_MAX_BATCH_SIZE."
        raise ArtifactError(f"the network cannot be placed on the GPU: {fault_of(error) or type(error).__name__}", hint=hint) from error


class Reopened:
    """Opens the same file again and again, and refuses another: `digest` is the file's, or that of the first time."""

    def __init__(self, path: Path, device: Device, digest: str = "", uploads: Uploads = no_uploads) -> None:
        self._path = path
        self._uploads = uploads
        self._device = device
        self._digest = digest

    def on_device(self) -> Lane:
        """All buckets, with CUDA graphs where the provider has them for each."""
        graphs = self._device.graphs and self._device.provider == "cuda"
        return Lane(self._opened, self._device.largest_batch, graphs=graphs)

    def on_cpu(self) -> Runtime:
        """One thread for a run, as everywhere on the CPU."""
        return self._same(Runtime(self._path, uploads=self._uploads))

    def _opened(self, graphs: bool) -> Runtime:  # noqa: FBT001  `Lane` calls it, with nothing else
        return self._same(Runtime(self._path, replace(self._device, graphs=graphs), uploads=self._uploads))

    def _same(self, runtime: Runtime) -> Runtime:
        self._digest = self._digest or runtime.digest
        if runtime.digest != self._digest:
            raise ArtifactError("the artifact has changed since it was loaded", hint="Start the service anew.")
        return runtime
