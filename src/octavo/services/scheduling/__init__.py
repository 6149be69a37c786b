"""The scheduling service: which part of the pipeline is due, and who begins it.

`clockwork` knows the times of a schedule, `jobs` what a pipeline has to run, `deciding` what is to
be done of it now; these read no clock. `scheduler` does it, as the catalog's `octavo.stores.jobs`
allows.
"""
