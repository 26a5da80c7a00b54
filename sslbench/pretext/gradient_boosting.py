"""Classifier baseline: gradient-boosted trees on genes."""

from __future__ import annotations

import torch
from pydantic import Field
from sklearn.ensemble import HistGradientBoostingClassifier

from sslbench.config import ComponentOptions
from sslbench.data.cells import CellBatch, Cells
from sslbench.encoders.base import Encoder
from sslbench.pretext._boosted_trees import BoostedTrees
from sslbench.pretext._components import refuse_other_encoders
from sslbench.pretext._reference import fitted_reference
from sslbench.pretext.base import Loss, Pretext
from sslbench.registry import PRETEXTS


class Options(ComponentOptions):
    """Of scikit-learn's HistGradientBoostingClassifier; every label weighs the same in total."""

    learning_rate: float = Field(0.1, gt=0, le=1, description="weight of each new tree")
    max_iter: int = Field(
        50, ge=1, le=5000, description="rounds; each grows one tree a label, all are kept"
    )
    max_leaf_nodes: int = Field(15, ge=2, le=1024, description="leaves of a tree")
    min_samples_leaf: int = Field(5, ge=1, le=1000, description="training cells in a leaf")
    l2_regularization: float = Field(0.0, ge=0, le=1000, description="L2 penalty of leaf values")


@PRETEXTS.register
class GradientBoosting(Pretext):
    """Trees on histograms of expression (Ke et al. 2017, LightGBM, as scikit-learn has it).

    Fitted trees are no tensors, and this project writes no pickles: it leaves no model folder.
    """

    regime = "supervised"
    sees_labels = True
    gradient_free = True
    embeds = False
    leaves_checkpoint = False
    classifier: BoostedTrees

    def __init__(
        self,
        options: Options,
        *,
        encoder: Encoder,
        genes: tuple[str, ...],
        label_names: tuple[str, ...],
    ) -> None:
        refuse_other_encoders(encoder, task="gradient_boosting", names=("identity",))
        super().__init__(encoder)
        seed = int(torch.randint(2**31, ()))  # from the trial's stream, as weights are
        # Early stopping would take cells away from training; the number of rounds is searched instead.
        trees = HistGradientBoostingClassifier(
            **options.model_dump(), class_weight="balanced", early_stopping=False, random_state=seed
        )
        self.classifier = BoostedTrees(trees, n_labels=len(label_names))

    def prepare(self, train: Cells) -> None:
        """Grow the trees on the labelled training cells; raise DataError if there are none."""
        self.classifier.fit(fitted_reference(self.encoder, train, device="cpu"))

    def loss(self, minibatch: CellBatch, generator: torch.Generator) -> Loss:
        """Raise: trees are grown, no weights are moved."""
        raise RuntimeError("gradient_boosting has no loss; prepare(train) fits it (gradient_free)")
