"""The service and the command around the graph and the builds."""

__version__ = "0.1.0"
