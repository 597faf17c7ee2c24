"""One ONNX Runtime session as a function: arrays in, arrays out."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from service.engine.providers import NAMES, REMEDY, Device, Provider, chain, strays
from service.errors import ArtifactError

Tensors = dict[str, NDArray[np.float32]]
Feeds = dict[str, NDArray[Any]]


class Upload(Protocol):
    """How an input is told to a graph that reads bytes: (..., C, H, W) float32 -> (..., 1, H, W) uint8."""

    @property
    def channels(self) -> int:
        """C."""

    def __call__(self, tensor: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Encode."""


Uploads = Callable[[Mapping[str, str]], Mapping[str, Upload]]  # properties of a file -> its inputs that are bytes


def no_uploads(properties: Mapping[str, str]) -> Mapping[str, Upload]:  # noqa: ARG001
    """Every input is float32."""
    return {}


MAX_ARTIFACT_BYTES = 1 << 30  # four times the largest network here; a file beyond it is not one of ours


class Runtime:
    """A network: float32 tensors with a batch axis in, float32 tensors with a batch axis out.

    Parameters
    ----------
    path
        A single-file ONNX model. It is loaded from its bytes, so that no external data can be read from elsewhere.
    device
        Where it runs. "cuda" fails where there is no CUDA: there is no silent step back to the CPU.
    uploads
        Says by the file's properties which inputs it reads as bytes. They are given as float32 all the same.
    single
        Whether the batch axis is fixed to one case.
    threads
        Of one run. ONNX Runtime fixes them for a session: another number is another session, with weights of its own.

    Raises
    ------
    ArtifactError
        The file is absent, too large, not a single-file ONNX model, or not float32 throughout.
    """

    def __init__(
        self, path: Path, device: Device | Provider = "cpu", *, uploads: Uploads = no_uploads, single: bool = False, threads: int = 1
    ) -> None:
        model = _read(path)
        self.digest = "sha256:" + hashlib.sha256(model).hexdigest()
        self.session = _session(model, Device(device) if isinstance(device, str) else device, threads)
        self.session._model_bytes = None  # kept to begin anew elsewhere, which is not allowed here: the size of the file, for ever
        _give_memory_back()
        self.provider: str = self.session.get_providers()[0]
        self.metadata: dict[str, str] = dict(self.session.get_modelmeta().custom_metadata_map)
        self._uploads = uploads(self.metadata)
        inputs = self.session.get_inputs()
        self.inputs = _shapes([node for node in inputs if node.name not in self._uploads], single=single) | _bytes(inputs, self._uploads)
        self.outputs = _shapes(self.session.get_outputs(), single=single)

    def __call__(self, tensors: Mapping[str, NDArray[np.float32]], names: Sequence[str] = ()) -> Tensors:
        """Run once. `tensors` are exactly the network's inputs, shaped (B, ...); `names` the outputs wanted, all where there are none."""
        self.check(tensors)
        wanted = list(names or self.outputs)
        return dict(zip(wanted, self.session.run(wanted, self.feeds(tensors)), strict=True))

    def feeds(self, tensors: Mapping[str, NDArray[np.float32]]) -> Feeds:
        """The tensors as the graph reads them."""
        return {name: self._uploads[name](tensor) if name in self._uploads else tensor for name, tensor in tensors.items()}

    def check(self, tensors: Mapping[str, NDArray[np.float32]]) -> None:
        """Refuse what the network does not read."""
        shapes = {name: tensor.shape[1:] for name, tensor in tensors.items()}
        if shapes != self.inputs:
            raise ArtifactError(f"the network reads {self.inputs}, and was given {shapes}")


def _give_memory_back() -> None:
    """Hand what loading a network has freed to the operating system: the GNU C library keeps more than the weights have."""
    with suppress(AttributeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


def _read(path: Path) -> bytes:
    """The artifact's bytes, if they are few enough."""
    try:
        if path.stat().st_size > MAX_ARTIFACT_BYTES:
            raise ArtifactError(f"{path.name} is larger than {MAX_ARTIFACT_BYTES} bytes")
        return path.read_bytes()
    except OSError as error:
        hint = "Make the artifacts, or name the folder that holds them."
        raise ArtifactError(f"{path} cannot be read: {error.strerror}", hint=hint) from error


def _session(model: bytes, device: Device, threads: int) -> ort.InferenceSession:
    """A session that computes on its caller's thread, with `threads` - 1 of its own beside it, and nowhere else than on the device."""
    name = NAMES[device.provider]
    if name not in ort.get_available_providers():
        raise ArtifactError(f"this build of ONNX Runtime has no {name}", hint=REMEDY[device.provider])
    shapes: dict[str, tuple[int, ...]] = {}
    if device.provider == "tensorrt":
        os.environ["NVIDIA_TF32_OVERRIDE"] = "0"  # the one way to tell TensorRT: https://github.com/microsoft/onnxruntime/issues/26029
        shapes = {node.name: tuple(node.shape[1:]) for node in _session(model, Device(), threads).get_inputs()}
    try:
        # Without enable_fallback=0, ONNX Runtime goes on with the CPU where a GPU fails, in the middle of a run: it prints, and no more.
        if device.provider == "tensorrt" and device.cache is not None:
            device.cache.mkdir(parents=True, exist_ok=True)
        providers = chain(device, shapes)
        session = ort.InferenceSession(model, _session_options(device.provider, threads), providers=providers, enable_fallback=0)
    except Exception as error:  # ONNX Runtime has a class for each fault, and no base for them all
        raise ArtifactError(f"ONNX Runtime cannot load the model: {type(error).__name__}") from error
    if session.get_providers()[0] != name:  # ONNX Runtime warns and goes on with the CPU; a clinical service must not
        raise ArtifactError(f"{name} could not start on this machine", hint=REMEDY[device.provider])
    if device.provider != "cpu" and (left := strays(assigned(session))):
        raise ArtifactError(f"{name} cannot compute {', '.join(left)} of this network")
    return session


def _session_options(provider: Provider, threads: int) -> ort.SessionOptions:
    """Concurrent batch-1 runs share one session. A run on several threads has their cores to itself: they spin from operator to operator.

    Woken for each, on a machine that had been idle, they came so late that a run took almost twice as long. None spins after the run.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 4  # fatal only: refusals are ours to word
    options.add_session_config_entry("session.intra_op.allow_spinning", "1" if threads > 1 else "0")
    options.add_session_config_entry("session.force_spinning_stop", "1")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    if provider == "cpu":
        _share_memory()
        options.add_session_config_entry("session.use_env_allocators", "1")
    else:  # session.disable_cpu_ep_fallback would also refuse a network for the arithmetic of its shapes
        options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    return options


@functools.cache
def _share_memory() -> None:
    """One pool for what all networks compute with: each session would keep one of its own, as large as its largest runs side by side."""
    memory = ort.OrtMemoryInfo("Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT)
    ort.create_and_register_allocator(memory, None)


def assigned(session: ort.InferenceSession) -> list[tuple[str, str]]:
    """(provider, operator) of every node, where the session was asked to remember."""
    return [(part.ep_name, node.op_type) for part in session.get_provider_graph_assignment_info() for node in part.get_nodes()]


def _shapes(nodes: list[ort.NodeArg], *, single: bool) -> dict[str, tuple[int, ...]]:
    """Name -> shape without the batch axis, which must be free, or one; everything else must be fixed float32."""
    for node in nodes:
        fixed = all(isinstance(size, int) for size in node.shape[1:])
        batch = bool(node.shape) and (node.shape[0] == 1 if single else not isinstance(node.shape[0], int))
        if node.type != "tensor(float)" or not batch or not fixed:
            axis = "one case" if single else "a free batch axis"
            raise ArtifactError(f"tensor {node.name} is {node.type} {node.shape}, not float32 with {axis}")
    return {node.name: tuple(node.shape[1:]) for node in nodes}


def _bytes(nodes: list[ort.NodeArg], uploads: Mapping[str, Upload]) -> dict[str, tuple[int, ...]]:
    """Name -> the shape, without the batch axis, of what is given for inputs that are read as bytes (B, 1, H, W)."""
    read = {node.name: node for node in nodes if node.name in uploads}
    for node in read.values():
        if node.type != "tensor(uint8)" or len(node.shape) != 4 or node.shape[1] != 1 or isinstance(node.shape[0], int):
            raise ArtifactError(f"tensor {node.name} is {node.type} {node.shape}, not uint8 of one channel with a free batch axis")
    return {name: (uploads[name].channels, *node.shape[2:]) for name, node in read.items()}
