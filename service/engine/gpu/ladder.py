"""A network that survives its GPU: smaller batches, then a new session, then the same network on the CPU. Each step is told, none silent.

full -> reduced: out of memory, batches are halved; until they are of one.
     -> rebuilt: a new session after a pause; once, and again only if an hour went well.
     -> degraded: the CPU, for good. A CUDA context that was lost is lost for its whole process: only a restart brings the GPU back.
     -> lost: not even the CPU reproduces the golden case. Nothing is answered any more.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from threading import RLock
from typing import Literal, Protocol

import numpy as np

from service.engine.batch import Placed, RunAgainError
from service.engine.gpu.faults import Fault, fault_of
from service.engine.modes import Placement
from service.engine.runtime import Tensors
from service.errors import NotReadyError

BACK_OFF_S = 1.0  # before a new session: a driver that resets a device needs a moment
FORGIVEN_S = 3600.0  # after which a fault is a new one
RETRY_AFTER_S = 60.0  # of a model that is lost: somebody has to restart it
State = Literal["full", "reduced", "rebuilt", "degraded", "lost"]


class Network(Protocol):
    """What answers, on the CPU."""

    provider: str

    def __call__(self, tensors: Tensors, names: Sequence[str] = ()) -> Tensors:
        """Run once: tensors (B, ...) to outputs (B, ...)."""


class OnDevice(Network, Protocol):
    """What answers, on a GPU: see `Lane`."""

    digest: str
    metadata: dict[str, str]
    inputs: dict[str, tuple[int, ...]]
    outputs: dict[str, tuple[int, ...]]
    graphs: bool
    pinned: bool

    @property
    def largest(self) -> int:
        """The largest batch that is run at once."""

    def shrink(self) -> bool:
        """Halve the largest batch; whether that was possible."""

    def warm(self, study: Tensors) -> dict[int, float]:
        """Run every batch size: size -> seconds."""

    def close(self) -> None:
        """Release the device."""


class Ladder:
    """Runs on the device as long as that can be, and then on the CPU.

    Parameters
    ----------
    open_device, open_cpu
        Open the network anew. That on the CPU must be of the same bytes.
    sleep, clock
        For tests.

    Attributes
    ----------
    on_change
        Called after every step, on the thread that took it, with the fault that led to it.
    alone_s
        Of a run on the CPU, once it is degraded.
    """

    def __init__(
        self, open_device: Callable[[], OnDevice], open_cpu: Callable[[], Network], *, sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._open_device, self._open_cpu, self._sleep, self._clock = open_device, open_cpu, sleep, clock
        self.on_change: Callable[[Fault], object] = lambda fault: None  # noqa: ARG005
        self._device: OnDevice | None = open_device()
        self._network: Network = self._device
        self.state: State = "full"
        self.run_s: Mapping[int, float] = {}
        self.alone_s = 0.0
        self.digest, self.metadata = self._device.digest, self._device.metadata
        self.inputs, self.outputs = self._device.inputs, self._device.outputs
        self._study: Tensors = {}
        self._accepts: Callable[[Tensors], bool] = lambda outputs: True  # noqa: ARG005
        self._rebuilt_at = -math.inf
        self._recovering = RLock()

    @property
    def provider(self) -> str:
        """Where the next run goes."""
        return self._network.provider

    @property
    def placement(self) -> Placement:
        """Where and how it runs now."""
        device = self._device
        return Placement(self.provider, self.state, bool(device and device.graphs), bool(device and device.pinned), self.run_s)

    @property
    def largest(self) -> int:
        """The largest batch that pays."""
        return self._device.largest if self._device else 1

    def prepare(self, study: Tensors) -> Mapping[int, float]:
        """Warm every batch size with one study (no batch axis), and remember it: batch size -> seconds."""
        self._study = study
        if self._device is not None:
            self.run_s = self._warmed(self._device)
        return self.run_s

    def hold_to(self, accepts: Callable[[Tensors], bool]) -> None:
        """From now on, no session answers before what it answers to the study of `prepare` is accepted."""
        self._accepts = accepts

    def __call__(self, tensors: Tensors, names: Sequence[str] = ()) -> Tensors:
        """Run once, whatever recovery it takes."""
        while True:
            try:
                return self.attempt(tensors, names)
            except RunAgainError:  # every recovery is a step down: there are few
                continue

    def attempt(self, tensors: Tensors, names: Sequence[str] = ()) -> Placed:
        """Run once.

        Raises
        ------
        RunAgainError
            A fault of the device, after which what runs has been replaced: the caller decides whether it is still wanted.
        NotReadyError
            Nothing runs any more.
        """
        network = self._network
        largest = self.largest
        try:
            return Placed(network(tensors, names), network.provider)
        except Exception as error:
            with self._recovering:  # a second one to fail waits until the first has recovered
                if network is not self._network or largest != self.largest:
                    raise RunAgainError from error
                fault = fault_of(error)
                if fault is None or self._device is None:
                    raise
                self._recover(fault)
                self.on_change(fault)
            raise RunAgainError from error

    def close(self) -> None:
        """Release the device."""
        if self._device is not None:
            self._device.close()
            self._device = None

    def _recover(self, fault: Fault) -> None:
        if fault == "out_of_memory" and self._device is not None and self._device.shrink():
            self.state = "reduced"
            self.run_s = {size: seconds for size, seconds in self.run_s.items() if size <= self.largest}
        elif self._clock() - self._rebuilt_at < FORGIVEN_S or not self._rebuild():
            self._degrade()

    def _rebuild(self) -> bool:
        self._rebuilt_at = self._clock()
        self.close()
        self._sleep(BACK_OFF_S)
        try:
            self._device = self._open_device()
            self.run_s = self._warmed(self._device)
            proved = self._proves(self._device)
        except Exception:  # noqa: BLE001  whatever keeps it from coming back, the CPU is next
            return False
        if proved:
            self._network, self.state = self._device, "rebuilt"
        return proved

    def _degrade(self) -> None:
        self.close()
        self.run_s = {}
        try:
            network = Singly(self._open_cpu())
            proved = self._proves(network)  # the first run allocates, the second is timed
            started = time.perf_counter()
            proved = proved and self._proves(network)
        except Exception as error:  # noqa: BLE001  told to every caller from now on
            self._network, self.state = Lost(error), "lost"
            return
        self.alone_s = time.perf_counter() - started
        self._network, self.state = (network, "degraded") if proved else (Lost(None), "lost")

    def _warmed(self, device: OnDevice) -> dict[int, float]:
        while True:
            try:
                return device.warm(self._study)
            except Exception as error:
                if fault_of(error) != "out_of_memory" or not device.shrink():
                    raise

    def _proves(self, network: Network) -> bool:
        if not self._study:
            return True
        outputs = network({name: tensor[np.newaxis] for name, tensor in self._study.items()})
        return self._accepts({name: output[0] for name, output in outputs.items()})


class Singly:
    """One request after the other: on the CPU these are the bits of a request alone, and nothing is gained by more."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self.provider = network.provider

    def __call__(self, tensors: Tensors, names: Sequence[str] = ()) -> Tensors:
        """Run row by row."""
        size = len(next(iter(tensors.values())))
        rows = [self._network({name: tensor[row : row + 1] for name, tensor in tensors.items()}, names) for row in range(size)]
        return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}


class Lost:
    """Nothing answers any more; `reason` is why the CPU could not, None where it answered otherwise than the golden case."""

    provider = "none"

    def __init__(self, reason: Exception | None) -> None:
        self._reason = reason

    def __call__(self, tensors: Tensors, names: Sequence[str] = ()) -> Tensors:  # noqa: ARG002
        """Refuse."""
        raise NotReadyError("the GPU is lost, and the CPU did not take over", retry_after_s=RETRY_AFTER_S) from self._reason
