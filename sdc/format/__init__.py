"""Bytes to structures and back: the container, its chunks, editing, validation and reports; no pixels."""
