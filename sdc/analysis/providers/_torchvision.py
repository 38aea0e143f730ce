"""Lets torchvision be imported next to a CPU-only torch.

The torchvision of the package index, beside a CPU build of torch, fails on import because two
operators have no schema; declaring them first cures it.  Import this before what imports torchvision.
"""

from typing import Any

import torch

_make: Any = torch.library.Library
_library = _make("torchvision", "FRAGMENT")
for _schema in (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
):
    try:
        _library.define(_schema)
    except RuntimeError:  # torchvision's own operators are already there
        break
