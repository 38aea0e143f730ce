"""Reading text in images by RapidOCR (PyPI ``rapidocr-onnxruntime``), whose networks come with it."""

from __future__ import annotations

from difflib import SequenceMatcher

from sdc.types import Pixels


class Reader:
    """RapidOCR with its own networks, on one thread.

    Raises:
        ImportError: it is not installed.
    """

    def __init__(self) -> None:
        from importlib.metadata import version

        from rapidocr_onnxruntime import RapidOCR

        self.engine = RapidOCR(intra_op_num_threads=1, inter_op_num_threads=1)
        self.version = f"rapidocr-onnxruntime {version('rapidocr-onnxruntime')}"

    def __call__(self, pixels: Pixels) -> list[str]:
        """The lines that are read, in the order in which the engine gives them."""
        lines, _ = self.engine(pixels[..., ::-1].copy())
        return [line[1] for line in lines or ()]


def agreement(a: list[str], b: list[str]) -> float:
    """How much of two readings is the same, 0 to 1: twice the characters that match, of those of both."""
    return SequenceMatcher(None, "\n".join(a), "\n".join(b), autojunk=False).ratio()
