"""The network of the default analysis: its samples, its training, and what it reaches.

``python -m sdc_reference.finder samples`` makes samples of labelled images and of photographs,
``train`` trains, ``export`` writes the file of integers that ``sdc`` ships, and ``measure`` says how good it
is.
"""
