"""Packages that the light install does not bring."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
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
        raise _missing(module, extra) from None
    except Exception as error:  # a package that does not go with another
        message = f"{module} cannot be imported: {' '.join(str(error).split())[:200]}"
        raise SdcError("E_USAGE", message) from None


def check_installed(module: str, extra: str) -> None:
    """Refuse the lack of a package without importing it.

    Raises:
        SdcError: as :func:`need`, but for one that cannot be imported though it is there.
    """
    if find_spec(module) is None:
        raise _missing(module, extra)


def _missing(module: str, extra: str) -> SdcError:
    return SdcError("E_USAGE", f'{module} is not installed; pip install "sdc-codec[{extra}]" brings it')
