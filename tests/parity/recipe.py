"""The fixtures' rule for values: weights from state-dict names, inputs from their descriptions.

Every stream is PCG64 seeded with the CRC-32 of a name, so a value depends on nothing but its name
and shape. See `../shared/parity/README.md` for the format.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def weight(key: str, shape: tuple[int, ...]) -> Array:
    """The learned float32 tensor of a state-dict key, before any factor of the case.

    Kernels get unit gain by their fan-in; tables 0.5, class and weight tokens 0.02, norm scales
    1 +- 0.1, and everything else (biases, scalars) 0.1.
    """
    noise = _normal(key, shape)
    if key.endswith("weight") and (len(shape) == 2 or len(shape) > 3):
        return noise * np.float32(1 / np.sqrt(np.prod(shape[1:])))
    if "token" in key:
        return noise * np.float32(0.02)
    if len(shape) > 1:
        return noise * np.float32(0.5)
    if key.endswith("weight"):
        return np.float32(1) + np.float32(0.1) * noise
    return np.float32(0.1) * noise


def network_input(spec: Mapping[str, Any]) -> Array:
    """One input as its entry in `meta.json` describes it.

    Raises:
        ValueError: an unknown kind, or values whose CRC-32 is not the one in the entry.
    """
    if spec["kind"] not in _KINDS:
        raise ValueError(f"unknown kind of input {spec['kind']!r}; known: {', '.join(_KINDS)}")
    values = np.ascontiguousarray(_KINDS[spec["kind"]](spec, tuple(spec["shape"])))
    if "crc32" in spec and checksum(values) != spec["crc32"]:
        raise ValueError(f"values have CRC-32 {checksum(values)}, the case says {spec['crc32']}")
    return values


def checksum(values: Array) -> int:
    """CRC-32 of an array's bytes in C order."""
    return zlib.crc32(np.ascontiguousarray(values).tobytes())


def _generator(name: str) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(zlib.crc32(name.encode())))


def _normal(name: str, shape: tuple[int, ...]) -> Array:
    return np.asarray(_generator(name).standard_normal(shape, dtype=np.float32), np.float32)


def _scaled(spec: Mapping[str, Any], shape: tuple[int, ...]) -> Array:
    mean, std = np.float32(spec.get("mean", 0)), np.float32(spec.get("std", 1))
    return mean + std * _normal(spec["seed_name"], shape)


def _literal(spec: Mapping[str, Any], shape: tuple[int, ...]) -> Array:
    return np.asarray(spec["values"], spec["dtype"]).reshape(shape)


def _chance(spec: Mapping[str, Any], shape: tuple[int, ...]) -> Array:
    draws = _generator(spec["seed_name"]).random(shape, dtype=np.float32)
    return (draws < np.float32(spec["p"])).astype(spec["dtype"])


def _by_last_axis(spec: Mapping[str, Any], shape: tuple[int, ...]) -> Array:
    return np.broadcast_to(np.asarray(spec["values"], spec["dtype"]), shape)


_KINDS: dict[str, Callable[[Mapping[str, Any], tuple[int, ...]], Array]] = {
    "normal": _scaled,
    "values": _literal,
    "bernoulli": _chance,
    "lastdim": _by_last_axis,
}
