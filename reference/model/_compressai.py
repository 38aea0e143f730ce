"""Import of CompressAI that also works next to a CPU-only torch."""

from sdc.analysis.providers import _torchvision  # noqa: F401  # isort: skip
from compressai.entropy_models import GaussianConditional  # type: ignore[import-untyped]

__all__ = ["GaussianConditional"]
