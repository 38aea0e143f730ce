"""Providers of the steps of the analysis."""
