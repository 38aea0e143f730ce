"""Steps, scales and means on the grids of a decoder's tables, and what a quality weighs."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sdc.codec.search import LAMBDA
from sdc.networks.profile import QUALITIES

from .layers import Format, ste_floor

SCALES = 64
SCALE_MIN, SCALE_MAX = 0.16, 50.0

SCALE_STEP = math.log(SCALE_MAX / SCALE_MIN) / (SCALES - 1)
"""Scale index i stands for a standard deviation of SCALE_MIN * exp(i * SCALE_STEP) steps."""


INDEX = Format(6, -1024, 1023)
"""Raw scale index in units of 8 indices: the integer is in eighths of an index."""


MEAN = Format(6, -2048, 2047)

RESIDUAL_FRAC = 4
"""Fraction bits of residuals and means: they are in 1/16 steps."""


INVERSE_FRAC = 8
"""Fraction bits of the inverse table: mean in 1/16 steps = (mean integer * inverse) >> 10."""


TABLE_MAX = 16383
"""Largest entry of the step tables (MODL-04)."""


HYPER_STEP_FRAC = 10
"""Fraction bits of the hyper step table: hyper-latent integer = (r * step) >> 4."""


LAMBDA_LOW, LAMBDA_HIGH = LAMBDA


def quality_to_lambda(quality: Tensor) -> Tensor:
    """Lagrangian weight of the squared error (8-bit scale) at qualities 0..63, log-spaced."""
    return LAMBDA_LOW * (LAMBDA_HIGH / LAMBDA_LOW) ** (quality / (QUALITIES - 1))


def table_step(step: Tensor, frac: int) -> Tensor:
    """Steps as a table with ``frac`` fraction bits holds them: on its grid, and neither 0 nor too large."""
    return ste_floor(step, frac).clamp(2.0**-frac, TABLE_MAX * 2.0**-frac)


def inverse_step(step: Tensor) -> Tensor:
    """Reciprocal of the step on the grid of the decoder's table."""
    return ste_floor(1.0 / step, INVERSE_FRAC)


def index_offset(step: Tensor, integer: bool) -> Tensor:
    """What the step adds to a scale index: a step twice as large lowers the scale by half."""
    offset = (-torch.log(step) - math.log(SCALE_MIN)) / SCALE_STEP
    return ste_floor(offset, 3) if integer else offset
