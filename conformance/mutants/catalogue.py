"""All mutants, in the order of what they break."""

from . import pixels, restored, structure, symbols, tools
from .plant import Mutant

MUTANTS: tuple[Mutant, ...] = (
    *structure.MUTANTS,
    *symbols.MUTANTS,
    *pixels.MUTANTS,
    *tools.MUTANTS,
    *restored.MUTANTS,
)


def find(name: str) -> Mutant:
    """The mutant of a name."""
    return next(m for m in MUTANTS if m.name == name)
