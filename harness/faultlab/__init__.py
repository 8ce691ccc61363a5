"""faultlab: every documented way a TCP socket fails, on demand, for real, explained."""

__version__ = "0.1.0"
