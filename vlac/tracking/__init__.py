"""A view of the results in MLflow, beside the pipeline: the files are the truth, and nothing reads the view.

A stage calls `training` while it trains and `publish` when it is done; `rebuild` makes the whole view again.
"""

from vlac.tracking.live import publish, training
from vlac.tracking.rebuild import rebuild, rebuild_search

__all__ = ["publish", "rebuild", "rebuild_search", "training"]
