"""The commands ``sdc`` and ``sdc-info``; :mod:`.start` has their entry points."""
