"""What every method that is a ladder has in common: how it is built, trained, stored, applied, described and drawn."""

from __future__ import annotations

from abc import abstractmethod
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlac.methods.base import Codes, Job, Method, Row

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor

    from vlac.models.ladder import Ladder, Posterior, Spec
    from vlac.models.objective import Bound
    from vlac.training.device import Device
    from vlac.training.schedule import Weights


class LadderMethod(Method):
    """A ladder trained by Eq. (9)."""

    sections = ("network", "likelihood", "mixture", "objective", "training")
    needs_rung = True

    model: Ladder
    """There once `fit` or `load_state` was called."""

    @abstractmethod
    def shape(self) -> tuple[dict[int, int], dict[int, int]]:
        """Return K_l and the size of z_l of every active rung, by rung; the sizes read `params.network`."""

    def spec(self, side: int = 32) -> Spec:
        """Return what is to be built, for images of so many pixels' height and width."""
        from vlac.models.ladder import Spec

        network, likelihood, mixture = self.params.network, self.params.likelihood, self.params.mixture
        c1, c2, c3 = network.channels
        K, z = self.shape()
        return Spec(
            K=K,
            z=z,
            channels=(c1, c2, c3),
            hidden=network.hidden,
            likelihood=likelihood.form,
            scale=likelihood.scale,
            y_above=tuple(network.y_above),
            form=network.form,
            covariance=mixture.covariance,
            q_y=mixture.q_y,
            side=side,
        )

    def build(self, spec: dict[str, Any]) -> Ladder:
        """Return an untrained ladder of a stored spec."""
        from vlac.models.ladder import Ladder, Spec

        return Ladder(Spec(**spec))

    def fit(self, images: np.ndarray, seed: int, job: Job) -> list[Row]:
        """Train a new ladder; raises what `settle`, `Trainer` and `Trainer.run` raise."""
        import torch

        from vlac.training.device import keep_freed_memory, settle
        from vlac.training.trainer import Trainer

        keep_freed_memory()
        device = settle(self.params.training)
        on_device = torch.from_numpy(images).to(device.torch)
        job = self.prepare(on_device, seed, device, job)
        torch.manual_seed(seed)
        self.model = self.build(asdict(self.spec(images.shape[1]))).to(device.torch)
        self.initialise()
        return Trainer(self.model, self.loss, on_device, self.params, seed, device, job).run()

    def prepare(self, images: Tensor, seed: int, device: Device, job: Job) -> Job:
        """Learn what the ladder's training rests on, and return the job with that in its identity."""
        return job

    def initialise(self) -> None:
        """Change the weights that a ladder starts with."""

    def loss(self, chosen: Tensor, x: Tensor, at: Weights, generator: torch.Generator) -> tuple[Tensor, Bound]:
        """Return what an update minimises, and the terms of Eq. (9) behind it: a `Loss` of the trainer."""
        from vlac.models.objective import bound

        posteriors = self.posteriors(chosen, x, at, generator)
        terms = bound(self.model, x, posteriors, self.params.objective.kl_z, at.fade)
        return (terms.distillation() - terms.weighted(at.kl_z, at.kl_y)).mean(), terms

    def posteriors(self, chosen: Tensor, x: Tensor, at: Weights, generator: torch.Generator) -> dict[int, Posterior]:
        """Return q(y, z given x) by rung of the images of an update; arguments as of `loss`."""
        return self.model.encode(x, at.temperature, generator, fade=at.fade)

    def encode(self, images: np.ndarray) -> Codes:
        """Return clusters, probabilities and codes of every rung, in float32 whatever the precision of training."""
        import torch

        from vlac.models.ladder import to_inputs
        from vlac.training.device import device_of_codes

        device = device_of_codes(self.params.training)
        self.model.to(device).eval()
        y, q, mean = defaultdict(list), defaultdict(list), defaultdict(list)
        with torch.no_grad():
            for x in to_inputs(torch.from_numpy(images), device):
                for rung, posterior in self.model.encode(x).items():
                    mean[rung].append(posterior.mean)
                    if posterior.q is not None and posterior.y is not None:
                        q[rung].append(posterior.q)
                        y[rung].append(posterior.y.argmax(-1))

        def joined(parts: dict[int, list[Tensor]]) -> dict[int, np.ndarray]:
            return {rung: torch.cat(each).cpu().numpy() for rung, each in parts.items()}

        return Codes(joined(y), joined(q), joined(mean))

    def draw_images(self, n: int, rung: int, component: int | None, seed: int) -> np.ndarray:
        """Return n images, uint8 (n, H, H, 3): one rung draws from a component, or all; the others from theirs."""
        import torch

        from vlac.models.decoded import to_images

        model, generator = self.model.cpu().eval(), torch.Generator().manual_seed(seed)
        with torch.no_grad():
            z = {
                each: model.prior(each).sample(n, component if each == rung else None, generator)
                for each in model.rungs
            }
            return to_images(model.decode(z))

    def samples(self, count: int, seed: int) -> np.ndarray:
        import numpy as np

        rung = self.main_rung
        return np.stack([self.draw_images(count, rung, k, seed + k) for k in range(self.K[rung])])

    def state(self) -> dict[str, Any]:
        weights = {name: value.cpu() for name, value in self.model.state_dict().items()}
        return {"spec": asdict(self.model.spec), "weights": weights}

    def load_state(self, state: dict[str, Any]) -> None:
        """Take over what `state` returned, on the CPU and in evaluation mode."""
        import torch

        with torch.device("meta"):  # shapes without memory, because a spec may ask for any amount of it
            self.model = self.build(state["spec"]).eval()
        self.model.load_state_dict(state["weights"], assign=True)
        self.rung = self.model.main_rung

    def protocol(self) -> list[str]:
        from vlac.reporting.protocol import of_ladder

        return of_ladder(self)

    def named_by_network(self, rung: int) -> bool:
        """Return whether a network says a rung's clusters in training; components then start from these."""
        q_y: str = self.params.mixture.q_y
        return q_y == "head"

    def draw(self, images: np.ndarray, rows: list[Row], seed: int, folder: Path) -> None:
        """Draw Figures 2 and 3 of the paper, the images nearest to each cluster, and the learning curves."""
        from vlac.reporting.curves import draw_curves
        from vlac.reporting.figures import draw_figures

        draw_figures(self.model, self.encode(images), images, f"{self.label()}, seed {seed}", seed, folder)
        draw_curves(rows, self.model, seed, folder / "curves.png")
