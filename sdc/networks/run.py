"""How networks are run, by whatever runs them.

Decoder, encoder and analyses call :func:`run`.  The compiled core does the work where it is there, else
NumPy.  Another implementation takes their place with :func:`use_runner`, or for one call as the argument
``runner`` of :func:`sdc.decode` and :func:`sdc.encode`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ..types import Array
from .core_runner import run_core
from .numpy_runner import Tape
from .operators import Operator
from .sites import Sites


class Runner(Protocol):
    """What runs networks."""

    def __call__(
        self,
        network: Sequence[Operator],
        sites: Sites,
        x: Array,
        *,
        factor: int = 1,
        hyper: Array | None = None,
        only: Array | None = None,
        arithmetic: str = "float32",
    ) -> Array:
        """Run a network on all sites.

        Args:
            network: its operators.
            sites: n cells (or blocks, for networks without taps).
            x: ``[n * factor**2, channels]`` integers in any real dtype.
            factor: sites per cell side of the input.
            hyper: ``[n, F]`` hyper features, for the ``hyper`` operator.
            only: indices of the cells whose output is wanted; all by default.
            arithmetic: ``float32``, ``float64`` or ``int64``.

        Returns:
            ``[m * f**2, channels]`` in the arithmetic's dtype or in ``int16``, where m cells are wanted and f
            is the output's factor.  Values are the same integers in every arithmetic.
        """


_runner: Runner = run_core


def use_runner(runner: Runner) -> Runner:
    """Let all of this process run networks by ``runner``; returns the one in use until now."""
    global _runner
    before, _runner = _runner, runner
    return before


def run(
    network: Sequence[Operator],
    sites: Sites,
    x: Array,
    *,
    factor: int = 1,
    hyper: Array | None = None,
    only: Array | None = None,
    arithmetic: str = "float32",
    tape: Tape | None = None,
) -> Array:
    """Run a network by the runner in use; arguments as of :class:`Runner`.

    Args:
        tape: is filled with what :func:`sdc.networks.gradient.backward` needs, with all cells wanted; the
            core or NumPy does so, and runs the network then.
    """
    if tape is not None:
        return run_core(
            network, sites, x, factor=factor, hyper=hyper, only=only, arithmetic=arithmetic, tape=tape
        )
    return _runner(network, sites, x, factor=factor, hyper=hyper, only=only, arithmetic=arithmetic)


__all__ = ["Runner", "Tape", "run", "use_runner"]
