"""The same cohort at half the resolution: a quarter of the pixels, for networks with the option ``half`` on a small machine."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np

from training.data import Cohort

CHUNK = 64


def halved(cohort: Cohort) -> Cohort:
    """Each image as means of 2 x 2 pixels; everything else as it is. Written once, beside the whole one."""
    folder = cohort.folder.with_name(f"{cohort.folder.name}-half")
    if not (folder / "complete").exists():
        folder.mkdir(exist_ok=True)
        images = {part.name for part in cohort.spec.images}
        for name, array in cohort.tensors.items():
            if name not in images:
                shutil.copy(cohort.folder / f"{name}.npy", folder)
                continue
            count, channels, height, width = array.shape
            small = np.lib.format.open_memmap(folder / f"{name}.npy", "w+", np.float32, (count, channels, height // 2, width // 2))
            for start in range(0, count, CHUNK):
                some = array[start : start + CHUNK]
                small[start : start + CHUNK] = some.reshape(len(some), channels, height // 2, 2, width // 2, 2).mean((3, 5))
        (folder / "complete").touch()
    return replace(cohort, folder=folder)
