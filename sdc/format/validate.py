"""Checking a stream against every rule that binds streams (spec section "Commands")."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import SdcError
from ..networks.registry import model_for
from ..types import Limits
from .latn import decode_symbols
from .objs import parse_objects
from .parse import parse
from .prov import analysis_notes
from .report import icc_error, state_of
from .source import Readable, Source, opened
from .stream import COMPLETE


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
        deep: whether to decode the symbols of all complete groups, which needs the model.
        limits: what the caller agrees to hold in memory.

    Returns:
        The state, all errors, and notes; an error in a group or in the metadata does not hide others.

    Raises:
        SdcError: ``E_USAGE`` for what is no source, ``E_INPUT`` or ``E_IO`` for a path; any other becomes
            part of the result.
    """
    with opened(source) as given:
        return _validated(given, deep, limits)


def _validated(source: Source, deep: bool, limits: Limits) -> Validation:
    """What is found in bytes or an open file."""
    errors: list[SdcError] = []
    try:
        stream = parse(source, limits=limits)
    except SdcError as error:
        if error.code == "E_USAGE":
            raise
        return Validation(error.kind, (error,))
    errors += stream.errors
    wrong = icc_error(stream)
    if wrong is not None:
        errors.append(wrong)
    try:
        parse_objects(stream, limits=limits)
    except SdcError as error:
        errors.append(error)
    if deep:
        try:
            model = model_for(stream.head.model, stream.head.weights)
        except SdcError as error:
            errors.append(error)
        else:
            for g in stream.groups:
                if g.state == COMPLETE:
                    try:
                        decode_symbols(stream, model, g.index)
                    except SdcError as error:
                        errors.append(error)
    return Validation(state_of(errors), tuple(errors), analysis_notes(stream))
