"""VLAC: Gaussian mixture variational ladder auto-encoders, and the pipeline that repeats the paper's Table 1."""

__version__ = "0.1.0"
