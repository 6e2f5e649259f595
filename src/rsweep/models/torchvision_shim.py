"""Make `import torchvision` (and so timm) work beside a torch build without its C++ operators."""

from __future__ import annotations

import sys
from typing import Any

_LIBRARY: list[Any] = []  # torch drops an operator schema with the library object that declared it


def ensure_torchvision() -> None:
    """Import torchvision, declaring the two operators it registers fakes for where they are absent.

    A torchvision wheel linked against CUDA cannot load its operators beside a CPU torch, and then
    fails at import with "operator torchvision::nms does not exist". No network here uses those
    operators, so declaring their schemas is enough. Where torchvision loads, nothing is done.

    Raises:
        RuntimeError: torchvision fails to import for any other reason.
    """
    if "torchvision" in sys.modules:
        return
    try:
        import torchvision
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
        _declare_operators()
        import torchvision  # noqa: F401


def _declare_operators() -> None:
    import torch

    for name in [m for m in sys.modules if m.partition(".")[0] == "torchvision"]:
        del sys.modules[name]
    make: Any = torch.library.Library  # untyped in torch
    library = make("torchvision", "FRAGMENT")
    for operator in ("nms", "qnms"):
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _LIBRARY.append(library)
