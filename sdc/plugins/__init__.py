"""Plug-ins for other programs; each is thin, and calls the public functions."""
