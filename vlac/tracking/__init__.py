"""A view of the results in MLflow, beside the pipeline: the files are the truth, and nothing reads the view.

A stage calls `training` while it trains and `publish` when it is done; `rebuild` makes the view equal to the files.
"""

from vlac.tracking.live import Rebuilt, publish, rebuild, training

__all__ = ["Rebuilt", "publish", "rebuild", "training"]
