"""Models by number: where their files are, and whether they are those that a stream names."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from ..errors import SdcError, spec_data
from .model import ENCODER_NETWORKS, LARGEST_ERROR_WEIGHT, LARGEST_FEATURE_WEIGHT, Encoder, Model, parse_model
from .network import check_network, networks_of
from .restoration import RestorationModel, parse_restoration
from .tensors import model_error, profile_of, read_tensors

PRIVATE = 1 << 24
"""Models from this number on are private: the registry does not know their weights."""


def models_folder() -> Path:
    """Folder of the model files that ship with this package."""
    return Path(str(files("sdc"))) / "models"


def model_folders() -> list[Path]:
    """Folders in which model files are looked for: that of ``SDC_MODELS``, and this package's own."""
    own = os.environ.get("SDC_MODELS")
    return ([Path(own)] if own else []) + [models_folder()]


def find_model_file(name: str) -> Path | None:
    """A model file, from the first of :func:`model_folders` that has it."""
    return next((folder / name for folder in model_folders() if (folder / name).is_file()), None)


RESTORES = 2
"""Profile of restoration models; any other number is left to the reader of Profile 1."""


def _model_file(number: int, where: str) -> tuple[bytes, str]:
    """A model file of a registry number, which has the registry's weights, and its SHA-256 in hex.

    Raises:
        SdcError: ``E_MODEL`` for a number this decoder does not have, ``E_MODEL_FILE`` for other weights.
    """
    registered = {row["model"]: row["sha256"] for row in spec_data("registry.json")["models"]["entries"]}
    path = find_model_file(f"sdc-model-{number}.safetensors")
    if path is None or (number not in registered and number < PRIVATE):
        raise SdcError("E_MODEL", f"model {number} is not known", where)
    data = path.read_bytes()
    sha256 = hashlib.sha256(data).hexdigest()
    if number in registered and sha256 != registered[number]:
        raise model_error(f"not the weights that the registry names for model {number}", path.name)
    return data, sha256


@cache
def load_model(number: int) -> Model:
    """The decoder's model of a registry number.

    Raises:
        SdcError: ``E_MODEL`` for a number this decoder does not have, or one of a restoration model;
            ``E_MODEL_FILE`` for other weights than the registry's.
    """
    data, sha256 = _model_file(number, "HEAD.model")
    if profile_of(data) == RESTORES:
        raise SdcError("E_MODEL", f"model {number} restores what another decodes", "HEAD.model")
    return parse_model(data, number, sha256)


@cache
def load_restoration(number: int) -> RestorationModel:
    """The restoration model of a registry number.

    Raises:
        SdcError: as :func:`load_model`, with ``E_MODEL`` for a model that restores nothing.
    """
    data, sha256 = _model_file(number, "REST.model")
    if profile_of(data) != RESTORES:
        raise SdcError("E_MODEL", f"model {number} restores nothing", "REST.model")
    return parse_restoration(data, number, sha256)


RESTORERS: Mapping[int, int] = {1: 4}
"""Numbers of the restoration models that are taken for streams of a model where nobody names one."""


def restoration_for(number: int, weights: bytes | None, base: Model) -> RestorationModel:
    """The restoration model that a stream or a caller names, for a model that decodes.

    Args:
        number: in the registry.
        weights: as REST holds them, or ``None`` for any.
        base: the model of the stream.

    Raises:
        SdcError: ``E_MODEL``, also for one that belongs to another model; ``E_MODEL_HASH``; ``E_MODEL_FILE``.
    """
    model = load_restoration(number)
    if weights is not None and model.weights != weights:
        raise SdcError(
            "E_MODEL_HASH",
            f"the stream wants weights {weights.hex()}, model {number} is {model.weights.hex()}",
            "REST.weights",
        )
    if model.base != (base.number, base.sha256):
        raise SdcError("E_MODEL", f"model {number} belongs to another model than {base.number}", "REST.model")
    if (model.latents, model.latent_range) != (base.latents, base.latent_range):
        raise model_error(f"model {number} takes other latents than model {base.number} gives", "REST.model")
    return model


def check_model_file(data: bytes) -> None:
    """Check a model file of any profile.

    Raises:
        SdcError: ``E_MODEL_FILE``.
    """
    if profile_of(data) == RESTORES:
        parse_restoration(data, PRIVATE)
    else:
        parse_model(data, PRIVATE)


def model_for(number: int, weights: bytes) -> Model:
    """The model a stream names.

    Args:
        number, weights: as HEAD holds them.

    Raises:
        SdcError: ``E_MODEL`` or ``E_MODEL_HASH``.
    """
    model = load_model(number)
    if model.weights != weights:
        raise SdcError(
            "E_MODEL_HASH",
            f"the stream wants weights {weights.hex()}, model {number} is {model.weights.hex()}",
            "HEAD.weights",
        )
    return model


@cache
def load_encoder(number: int) -> Encoder:
    """The encoder that belongs to a model.

    Raises:
        SdcError: ``E_MODEL``, or ``E_MODEL_FILE`` when the file is not as it must be.
    """
    path = find_model_file(f"sdc-model-{number}-encoder.safetensors")
    if path is None:
        raise SdcError("E_MODEL", f"model {number} has no encoder here")
    tensors, description = read_tensors(path.read_bytes())
    networks = networks_of(tensors, description, ENCODER_NETWORKS)
    check_network("analysis", networks["analysis"], 192, 128)
    errors = _weights(description, "error_weights", LARGEST_ERROR_WEIGHT) or (1.0, 1.0)
    return Encoder(networks, errors, _weights(description, "feature_weights", LARGEST_FEATURE_WEIGHT))


def _weights(description: Mapping[str, Any], name: str, largest: float) -> tuple[float, float] | None:
    """Weights of the encoder's search at qualities 0 and 63, if its description says them."""
    if name not in description:
        return None
    pair = description[name]
    if not isinstance(pair, list) or len(pair) != 2:
        raise model_error("not two numbers", name)
    if not all(type(value) in (int, float) and 0 < value <= largest for value in pair):
        raise model_error(f"not two numbers above 0, up to {largest:g}", name)
    return float(pair[0]), float(pair[1])
