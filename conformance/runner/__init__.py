"""Runs a decoder over the vectors: the command ``sdc-conformance``.

Standard library only, and nothing of ``sdc``: the folder above can be copied away.

``suite`` makes questions of the manifest.  ``worker`` asks them of a ``process``.  ``checks`` and ``streams``
say what is wrong with an answer.  ``run`` does so with all; ``report``, ``machines`` and ``page`` tell of it.
"""
