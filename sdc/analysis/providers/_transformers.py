"""Networks of transformers, named by a folder or by a name at the hub, and how they are loaded."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from ...errors import SdcError
from ..detectors.network import one_line
from ..interfaces import Options
from ..optional import need


def load_parts(extra: str, options: Options, name: str, *classes: str) -> list[Any]:
    """Parts of a network, such as its processor and itself.

    Raises:
        SdcError: ``E_USAGE`` when transformers or torch is missing, ``E_INPUT`` when the network is.
    """
    need("torch", extra)
    import_module("sdc.analysis.providers._torchvision")
    transformers = need("transformers", extra)
    parts = []
    for wanted in classes:
        try:
            kind = getattr(transformers, wanted)
        except Exception as error:  # transformers is too old for it, or what it needs is not right
            raise SdcError("E_USAGE", f"this transformers has no {wanted}: {one_line(error)}", name) from None
        try:
            part = kind.from_pretrained(name)
        except Exception as error:  # from files, from the hub, from the configuration
            raise SdcError("E_INPUT", f"could not load the network: {one_line(error)}", name) from None
        parts.append(part.to(options.device).eval() if hasattr(part, "eval") else part)
    return parts


def inputs_of(values: Any, model: Any) -> Any:
    """What a processor gives, on the model's device and of its number type where it is no integer."""
    return values.to(model.device, model.dtype)
