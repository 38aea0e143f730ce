"""Packages that the light install does not bring."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from ..errors import SdcError


def need(module: str, extra: str) -> ModuleType:
    """A package that the light install does not bring.

    Raises:
        SdcError: ``E_USAGE`` with the command that installs it.
    """
    try:
        return import_module(module)
    except ImportError:
        message = f'{module} is not installed; pip install "sdc-codec[{extra}]" brings it'
        raise SdcError("E_USAGE", message) from None
    except Exception as error:  # a package that does not go with another
        message = f"{module} cannot be imported: {' '.join(str(error).split())[:200]}"
        raise SdcError("E_USAGE", message) from None
