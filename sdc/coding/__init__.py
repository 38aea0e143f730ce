"""Entropy coding: rANS, label maps, symbols, and the coding passes of a group."""
