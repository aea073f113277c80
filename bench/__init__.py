"""Measurements, run by hand with `make bench`: each figure beside its peer or limit, from the same run."""
