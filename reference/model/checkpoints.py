"""Models that training can go on from, and their files.

Three kinds of file hold a model, and :func:`load_model` reads any of them:

- ``last.pt``, the state of a run with all that it needs to go on (:mod:`sdc_reference.training.state`);
- ``weights.safetensors``, the averaged weights alone in half precision, a few MB for a repository;
- a shipped model file of integers, with the encoder's beside it.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch

from sdc.networks.tensors import read_tensors, write_tensors

from .reference import ReferenceModel
from .shipped import from_files
from .sizes import Sizes


def load_model(path: Path, device: str = "cpu") -> ReferenceModel:
    """The model of a checkpoint with its averaged weights, or of a shipped model file.

    Args:
        path: ``last.pt`` or ``weights.safetensors`` of a run, or a decoder's model file with the encoder's
            beside it.
        device: where the model is to be.

    Raises:
        SdcError: ``E_MODEL_FILE``.
        ValueError: the file holds something else.
        OSError: a file cannot be read.
    """
    if path.suffix == ".safetensors":
        return _load_safetensors(path).to(device)
    try:
        state = torch.load(path, map_location=device, weights_only=True)
        model = ReferenceModel(Sizes(**state["sizes"])).to(device)
        model.load_state_dict(state["average"])
    except (KeyError, TypeError, RuntimeError, UnpicklingError) as error:
        raise ValueError(f"not a checkpoint: {error}") from None
    return model


def _load_safetensors(path: Path) -> ReferenceModel:
    _, description = read_tensors(path.read_bytes())
    if "sizes" in description:
        return load_half(path)
    return from_files(path, path.with_name(f"{path.stem}-encoder{path.suffix}"))


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write the state of a run, whole or not at all."""
    temporary = path.with_suffix(".tmp")
    torch.save(state, temporary)
    temporary.replace(path)


def save_half(path: Path, model: ReferenceModel) -> None:
    """Write a model's weights in half precision: a safetensors file with the sizes in its metadata.

    The file is written whole or not at all.

    Raises:
        ValueError: a weight is beyond half precision.
    """
    tensors = {}
    for name, parameter in model.named_parameters():
        tensors[name] = parameter.detach().half().cpu().contiguous().numpy()
        if not np.isfinite(tensors[name]).all():
            raise ValueError(f"{name} leaves half precision")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_bytes(write_tensors(tensors, {"sizes": dataclasses.asdict(model.sizes)}))
    temporary.replace(path)


def load_half(path: Path) -> ReferenceModel:
    """A model of :func:`save_half`, in single precision.

    Raises:
        SdcError: ``E_MODEL_FILE``.
        ValueError: the weights are not those of a model of these sizes.
        OSError: the file cannot be read.
    """
    tensors, description = read_tensors(path.read_bytes())
    try:
        model = ReferenceModel(Sizes(**description["sizes"]))
        state = {name: torch.from_numpy(array.astype(np.float32)) for name, array in tensors.items()}
        unknown = set(state) ^ {name for name, _ in model.named_parameters()}
        if unknown:
            raise KeyError(min(unknown))
        model.load_state_dict(state, strict=False)
    except (KeyError, TypeError, RuntimeError) as error:
        raise ValueError(f"not a checkpoint in half precision: {error}") from None
    return model
