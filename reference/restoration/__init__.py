"""Restoration models: what makes restored samples of a frozen model's latents.

Degradations of clean photographs, samples of their latents, the network, its training, alone or together with
an analysis, and its export.
"""
