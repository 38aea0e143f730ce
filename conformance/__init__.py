"""Conformance vectors and their runner, installed as `sdc_conformance`."""
