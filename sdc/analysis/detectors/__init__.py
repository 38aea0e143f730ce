"""Detectors in ONNX files: which layout of outputs a network has, and how it is read."""
