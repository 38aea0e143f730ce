"""Sizes of a reference model."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """Sizes of a model, and parts that an ablation leaves out.

    Attributes:
        channels: C, of the transforms.
        latents: M.
        hyper: K.
        features: of the hyperprior and of contexts.
        wide: hidden channels of contexts.
        analysis_blocks, synthesis_blocks: of the transforms.
        passes: 4, or 2: the checkerboard with all channels at once.
        analysis_quality: whether every block of the analysis transform sees the quality, not the first alone.
        latent_quality: whether the analysis transform ends with a bias by quality on the latents.
        synthesis_quality: whether the middle block of the synthesis transform sees it, too.
        step_fraction: fraction bits of the table of steps, whose largest is 2 ** (14 - step_fraction).
        early: latents of the first two of four passes, or 0 for half of them.
        with_hyper: whether hyper-latents are coded; else they are 0.
        with_context: whether contexts see the latents of earlier passes.
        gated: whether a spatial tap counts only inside its group; a model without is no SDC model.
    """

    channels: int = 128
    latents: int = 192
    hyper: int = 48
    features: int = 128
    wide: int = 256
    analysis_blocks: int = 4
    synthesis_blocks: int = 6
    analysis_quality: bool = False
    latent_quality: bool = False
    synthesis_quality: bool = False
    passes: int = 4
    step_fraction: int = 12
    early: int = 0
    with_hyper: bool = True
    with_context: bool = True
    gated: bool = True
