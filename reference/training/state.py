"""The state of a run: all that it needs to go on."""

from __future__ import annotations

import copy
import dataclasses
from dataclasses import dataclass
from pathlib import Path

import torch

from ..model.checkpoints import save_half, save_state
from ..model.reference import ReferenceModel
from ..model.sizes import Sizes
from .optim import Muon, optimisers_of


@dataclass
class RunState:
    """A model in training.

    Attributes:
        model: whose weights move.
        average: the running average of its weights, which is exported.
        optimisers: of matrices, and of the rest.
        step: steps that were made.
        seconds: of computing.
        revived: how many times dead units have started anew.
    """

    model: ReferenceModel
    average: ReferenceModel
    optimisers: tuple[Muon, torch.optim.Adam]
    step: int = 0
    seconds: float = 0.0
    revived: int = 0

    @classmethod
    def new(cls, model: ReferenceModel, matrix_rate: float, rate: float) -> RunState:
        """A run that begins with a model."""
        return cls(model, copy.deepcopy(model), optimisers_of(model, matrix_rate, rate))

    def load(self, path: Path) -> None:
        """Go on from ``last.pt`` of a run with a model of these sizes.

        Raises:
            ValueError: the run is of other sizes.
        """
        device = self.model.log_step.device
        state = torch.load(path, map_location=device, weights_only=True)
        if Sizes(**state["sizes"]) != self.model.sizes:
            raise ValueError(f"{path}: a run of other sizes; take another folder, and this file for --start")
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        for optimiser, own in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(own)
        self.step, self.seconds, self.revived = state["step"], state["seconds"], state["revived"]

    def save(self, folder: Path) -> None:
        """Write ``last.pt`` and ``weights.safetensors``, each whole or not at all."""
        save_state(
            folder / "last.pt",
            {
                "sizes": dataclasses.asdict(self.model.sizes),
                "model": self.model.state_dict(),
                "average": self.average.state_dict(),
                "optimisers": [o.state_dict() for o in self.optimisers],
                "step": self.step,
                "seconds": self.seconds,
                "revived": self.revived,
            },
        )
        save_half(folder / "weights.safetensors", self.average)

    def set_rate(self, matrix_rate: float, rate: float) -> None:
        """Set the learning rates of matrices and of the rest."""
        for optimiser, now in zip(self.optimisers, (matrix_rate, rate), strict=True):
            optimiser.param_groups[0]["lr"] = now

    @torch.no_grad()
    def update(self) -> None:
        """Move the weights by their gradients and the average by the weights; this is a step.

        A step whose gradients are not finite moves nothing.
        """
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        if torch.isfinite(norm):
            for optimiser in self.optimisers:
                optimiser.step()
        self.step += 1
        decay = min(0.999, (1 + self.step) / (10 + self.step))
        torch._foreach_lerp_(list(self.average.parameters()), list(self.model.parameters()), 1 - decay)
