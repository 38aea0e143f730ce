"""The network of the default analysis: its samples, its training, and what it reaches.

``python -m sdc_reference.finder samples`` makes samples of labelled images and of photographs.  ``head``
learns a teacher from those that people have outlined, on DINOv2's weights, and ``teach`` writes samples whose
maps it has taught.  ``train`` trains, ``export`` writes the file of integers that ``sdc`` ships, and
``measure`` says how good it is.
"""
