"""VLAC: Gaussian mixture variational ladder auto-encoders, and the pipeline that repeats the paper's Table 1."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vlac.estimator import VLAC

__all__ = ["VLAC", "__version__"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import the estimator when it is asked for: torch and scikit-learn cost the command line seconds."""
    if name == "VLAC":
        from vlac.estimator import VLAC

        return VLAC
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
