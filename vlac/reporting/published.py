"""Table 1 of the paper as printed, test set cluster accuracy on SVHN; docs/method.md says what to know of its rows."""

from dataclasses import dataclass

from vlac.methods.base import Method


@dataclass(frozen=True)
class PublishedRow:
    """One row of the paper's table."""

    label: str  # bracketed numbers are the paper's references
    accuracy: str  # as printed; the paper does not say what its ± is, nor over how many runs
    model: str  # the name under which params.yaml runs it
    kind: str
    K: list[int] | int  # clusters per rung (VLAC), or in all

    def is_run_by(self, name: str, method: Method) -> bool:
        """Tell whether a model of params.yaml is this row's: same name, same kind, same K, also on the probe's rung."""
        K = getattr(method.settings, "K", None)
        if isinstance(K, list):
            K = [method.K.get(rung, 1) for rung in range(1, len(K) + 1)]
        return name == self.model and (method.settings.kind, K) == (self.kind, self.K)


TABLE_1 = (
    PublishedRow("VLAC, K = (1, 1, 50, 1)", "0.637 ± 0.042", "vlac_1layer", "vlac", [1, 1, 50, 1]),
    PublishedRow("VLAC, K = (1, 5, 50, 1)", "0.648 ± 0.027", "vlac_2layer", "vlac", [1, 5, 50, 1]),
    PublishedRow("Equivalent GM-DGM, K = 50", "0.570 ± 0.032", "gmdgm", "gmdgm", 50),
    PublishedRow("IMSAT [14], K = 10", "0.573 ± 0.040", "imsat", "imsat", 10),
    PublishedRow("DEC [29], K = 10", "0.560 ± 0.016", "dec", "dec", 10),
    PublishedRow("ACOL-GAR [16], K = 10", "0.768 ± 0.013", "acol_gar", "acol_gar", 10),
)
