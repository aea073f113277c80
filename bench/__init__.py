"""Measurements, run by hand with `make bench`: each figure beside its peer or its limit, from the same run."""
