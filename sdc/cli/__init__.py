"""The commands ``sdc`` and ``sdc-info``; :mod:`.main` has their entry points."""
