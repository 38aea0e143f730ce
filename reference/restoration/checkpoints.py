"""Restoration models that training can go on from, and their files; the base is not in them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from pickle import UnpicklingError

import numpy as np
import torch
from torch import Tensor, nn

from sdc.errors import SdcError
from sdc.networks.registry import find_model_file
from sdc.networks.tensors import read_tensors, write_tensors

from .network import RestorationNetwork, RestorationSizes, base_synthesis


def base_file(number: int) -> Path:
    """File of the model whose latents are restored.

    Raises:
        SdcError: ``E_MODEL``: it is not here.
    """
    path = find_model_file(f"sdc-model-{number}.safetensors")
    if path is None:
        raise SdcError("E_MODEL", f"model {number} is not here")
    return path


def own_state(network: nn.Module) -> dict[str, Tensor]:
    """Tensors of what restores, without those of its base."""
    return {name: t for name, t in network.state_dict().items() if not name.startswith("base.")}


def load_own(network: nn.Module, state: dict[str, Tensor]) -> None:
    """Put tensors of :func:`own_state` back.

    Raises:
        RuntimeError: they are of another network.
    """
    missing, unexpected = network.load_state_dict(state, strict=False)
    wanted = {name for name, parameter in network.named_parameters() if parameter.requires_grad}
    if unexpected or wanted & set(missing):
        raise RuntimeError(f"not the tensors of this network: {[*missing, *unexpected][:3]}")


def read_own(path: Path) -> tuple[dict[str, Tensor], RestorationSizes]:
    """Averaged tensors of a run, and its sizes.

    Args:
        path: ``last.pt`` of a run, or a file of :func:`save_half`.

    Raises:
        OSError: the file cannot be read.
        SdcError: ``E_MODEL_FILE``.
        ValueError: it holds something else.
    """
    try:
        if path.suffix == ".safetensors":
            tensors, description = read_tensors(path.read_bytes())
            state = {name: torch.from_numpy(array.astype(np.float32)) for name, array in tensors.items()}
            return state, RestorationSizes(**description["restoration"])
        found = torch.load(path, map_location="cpu", weights_only=True)
        return found["average"], RestorationSizes(**found["sizes"])
    except (KeyError, TypeError, RuntimeError, UnpicklingError) as error:
        raise ValueError(f"not of a restoration model: {error}") from None


def load_network(path: Path, base: Path) -> RestorationNetwork:
    """The network of a run with its averaged weights.

    Args:
        path: as for :func:`read_own`.
        base: file of the model whose latents it restores.

    Raises:
        OSError, SdcError, ValueError: as :func:`read_own`.
        RuntimeError: the tensors are not those of a network of these sizes.
    """
    state, sizes = read_own(path)
    network = RestorationNetwork(sizes, base_synthesis(base))
    load_own(network, state)
    return network


def take_mean(network: RestorationNetwork, other: Path) -> None:
    """Take the mean with another run's weights, one by one, but for what derives vectors and tells strengths.

    Args:
        network: changed in place.
        other: as for :func:`read_own`; a run that the network's own began with, or the other way about.

    Raises:
        OSError, SdcError, ValueError: as :func:`read_own`.
        RuntimeError: the tensors are of another network.
    """
    own, (others, _) = own_state(network), read_own(other)
    if own.keys() != others.keys():
        raise RuntimeError(f"{other} has other tensors")
    parts = ("derive.", "kinds.")
    load_own(
        network,
        {name: t if name.startswith(parts) else torch.lerp(others[name], t, 0.5) for name, t in own.items()},
    )


def save_half(path: Path, network: RestorationNetwork) -> None:
    """Write a network's weights in half precision, a few MB.

    Raises:
        ValueError: a weight is beyond half precision.
    """
    tensors = {name: t.detach().half().contiguous().numpy() for name, t in own_state(network).items()}
    if not all(np.isfinite(array).all() for array in tensors.values()):
        raise ValueError("a weight leaves half precision")
    path.write_bytes(write_tensors(tensors, {"restoration": dataclasses.asdict(network.sizes)}))
