"""Runs a script that uses Composer, beside a torch without CUDA.

Composer imports torchvision, whose library of operators on the public index is built for CUDA, and which does not
import without those operators. Nothing here calls them: they are declared.
"""

from __future__ import annotations

import runpy
import sys

import torch


def main() -> None:
    try:
        import torchvision  # noqa: F401
    except RuntimeError:  # operator torchvision::nms does not exist
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    del sys.argv[0]
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
