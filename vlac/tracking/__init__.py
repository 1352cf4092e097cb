"""A view of the results in MLflow, beside the pipeline: the files are the truth, and nothing reads the view.

There is one run per training, and `rebuild` makes it from the files: by `python -m vlac track`, and by `publish` after
the jobs that gather all others. A training of more than two minutes shows its epochs while it goes on (`training`).
No other job imports MLflow, which takes seconds of the processor.
"""

from vlac.tracking.live import Training as training
from vlac.tracking.live import publish, rebuild

__all__ = ["publish", "rebuild", "training"]
