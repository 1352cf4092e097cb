"""Training: the loop, its schedules, its checkpoints and what it records."""

from vlac.training.group import train_at_once
from vlac.training.loop import Trainer

__all__ = ["Trainer", "train_at_once"]
