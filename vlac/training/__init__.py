"""Training: the loop, its schedules, its checkpoints and what it records."""

from vlac.training.loop import Trainer

__all__ = ["Trainer"]
