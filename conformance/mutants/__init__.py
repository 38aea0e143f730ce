"""Decoders with one planted bug each, which the suite must fail at the tier that names the bug.

A mutant is the adapter of this package with a bug planted in the codec as it is loaded.  Beside the mutants
stand enemies, which are no decoders at all, and encoders with a fault.

``python -m sdc_conformance.mutants NAME serve`` (or ``info``, ``decode``, ...) runs one.  Without a name the
suite is run against all of them; ``--write`` records what failed each in ``kills.json``.
"""
