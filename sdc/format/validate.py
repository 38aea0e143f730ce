"""Checking a stream against every rule that binds streams (spec section "Commands")."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import SdcError
from ..networks.registry import model_for
from ..types import Limits
from .grps import COMPLETE
from .latn import decode_symbols
from .metadata import read_metadata
from .objs import read_objects
from .parse import read
from .prov import provenance_notes
from .rest import read_restoration
from .source import Readable, opened
from .states import state_of
from .stream import Stream


@dataclass(frozen=True)
class Validation:
    """What :func:`validate` found.

    Attributes:
        state: ``valid``, ``partial``, ``invalid`` or ``unsupported``.
        errors: what is wrong or missing, in the order in which it was found.
        notes: rules that are broken and leave the file valid, in words: PROV-01 and PROV-02.
    """

    state: str
    errors: tuple[SdcError, ...]
    notes: tuple[str, ...] = ()


def validate(source: Readable, *, deep: bool = True, limits: Limits = Limits()) -> Validation:
    """Check a stream against every rule that binds streams (TOOL-10).

    Args:
        source: a path, the file's bytes, or a seekable binary file.
        deep: whether to decode the symbols of all complete groups, which needs the model if there is one.
        limits: what the caller agrees to hold in memory.

    Returns:
        The state, all errors, and notes; an error in a group or in the metadata does not hide others.

    Raises:
        SdcError: ``E_USAGE`` for what is no source, ``E_INPUT`` or ``E_IO`` for a path; any other becomes
            part of the result.
    """
    with opened(source) as given:
        found = read(given, limits=limits)
    if found.error is not None:
        return Validation(found.error.kind, (found.error,))
    stream = found.whole()
    errors = [*stream.errors, *read_metadata(stream).errors]
    others = (read_objects(stream, limits=limits).error, read_restoration(stream).error)
    errors += [error for error in others if error is not None]
    if deep:
        errors += _symbol_errors(stream)
    return Validation(state_of(errors), tuple(errors), provenance_notes(stream))


def _symbol_errors(stream: Stream) -> list[SdcError]:
    """What is wrong in the symbols of the complete groups, or the lack of their model (HEAD-04)."""
    complete = [g.index for g in stream.groups if g.state == COMPLETE]
    if not complete:
        return []
    try:
        model = model_for(stream.head.model, stream.head.weights)
    except SdcError as error:
        return [error]
    found = (symbols for _, _, symbols in decode_symbols(stream, model, complete))
    return [error for error in found if isinstance(error, SdcError)]
