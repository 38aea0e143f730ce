"""The specification as data: nothing here runs; the file makes the folder readable as the package `sdc_spec`."""
