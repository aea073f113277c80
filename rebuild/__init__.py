"""Carrying out: engines, builds, runs. Knows the graph, knows nothing of the service around it."""
