"""The specification as data; this file only makes the folder readable as the package `sdc_spec`."""
