"""What methods without rungs share: K clusters, features that they see, a network that is saved by its weights."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from vlac.methods.base import Method


class FlatMethod(Method):
    """`settings.K` clusters, on the one rung that there is."""

    @property
    def K(self) -> dict[int, int]:
        return {1: self.settings.K}


class FeatureMethod(FlatMethod):
    """Clusters of what `settings.features` names."""

    @property
    def sees(self) -> str:
        from vlac.features.names import TITLE

        return TITLE[self.settings.features]


class NetworkMethod(FlatMethod):
    """Clusters by a network, trained with settings of its own."""

    sections = ("training.threads", "training.device", "training.precision")

    network: Any
    """There once `fit` or `load_state` was called."""

    @abstractmethod
    def build(self) -> Any:
        """Return an untrained network."""

    def state(self) -> dict[str, Any]:
        return {name: value.cpu() for name, value in self.network.state_dict().items()}

    def load_state(self, state: dict[str, Any]) -> None:
        import torch

        with torch.device("meta"):  # shapes without memory, because the settings may ask for any amount of it
            self.network = self.build()
        self.network.load_state_dict(state, assign=True)
