"""Energy that a GPU says it has used, where NVIDIA's library is there to ask."""

from __future__ import annotations

import importlib
import logging
from typing import Any

import torch

log = logging.getLogger("rsweep")

MILLIJOULES_PER_WH = 3_600_000


class Meter:
    """Energy of a device since this was made; of everything that ran on it, not of one process.

    Needs the package nvidia-ml-py (`pynvml`) and a GPU of Volta or later; without, it says nothing.
    """

    def __init__(self, device: torch.device) -> None:
        self._library: Any = None
        self._handle: Any = None
        if device.type == "cuda":
            self._open(device)
        self._began = self._read()

    def _open(self, device: torch.device) -> None:
        try:
            self._library = importlib.import_module("pynvml")
            self._library.nvmlInit()
            # CUDA numbers the devices that a process may see, NVML those there are.
            name = f"GPU-{torch.cuda.get_device_properties(device).uuid}"
            self._handle = self._library.nvmlDeviceGetHandleByUUID(name)
        except Exception as error:  # no package, no library, no permission: one answer to all
            log.info("energy is not known: %s", error)
            self._handle = None

    def _read(self) -> float | None:
        if self._handle is None:
            return None
        try:
            return float(self._library.nvmlDeviceGetTotalEnergyConsumption(self._handle))
        except self._library.NVMLError as error:
            log.info("energy is not known: %s", error)
            return None

    def watt_hours(self) -> float | None:
        """Watt-hours used so far, or None if the device does not tell."""
        now = self._read()
        if now is None or self._began is None:
            return None
        return (now - self._began) / MILLIJOULES_PER_WH
