"""Colour spaces: what their code points mean, and ICC profiles made for them and recognised by them."""
