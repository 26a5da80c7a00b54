"""Classifier baseline: LightGBM's gradient-boosted trees on genes, an optional extra."""

from __future__ import annotations

import torch
from pydantic import Field

from sslbench.config import ComponentOptions
from sslbench.data.cells import CellBatch, Cells
from sslbench.encoders.base import Encoder
from sslbench.pretext._boosted_trees import BoostedTrees
from sslbench.pretext._components import refuse_other_encoders
from sslbench.pretext._extras import refuse_missing_package
from sslbench.pretext._reference import fitted_reference
from sslbench.pretext.base import Loss, Pretext
from sslbench.registry import PRETEXTS


class Options(ComponentOptions):
    """By the names of LGBMClassifier; every label weighs the same in total."""

    learning_rate: float = Field(0.1, gt=0, le=1, description="weight of each new tree")
    n_estimators: int = Field(
        50, ge=1, le=5000, description="rounds; each grows one tree a label, all are kept"
    )
    num_leaves: int = Field(15, ge=2, le=1024, description="leaves of a tree")
    min_child_samples: int = Field(5, ge=1, le=1000, description="training cells in a leaf")
    reg_lambda: float = Field(0.0, ge=0, le=1000, description="L2 penalty of leaf values")
    colsample_bytree: float = Field(
        1.0, gt=0, le=1, description="fraction of the genes that each tree may use, drawn anew"
    )


@PRETEXTS.register
class LightGBM(Pretext):
    """Ke et al. 2017; beside scikit-learn's `gradient_boosting` each tree may see a part of the genes alone.

    Needs the extra `sslbench[lightgbm]`. Fitted trees are no tensors: it leaves no model folder.
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
        """Raise SetupError S061 if LightGBM is not installed."""
        refuse_missing_package("lightgbm", package="lightgbm", task="lightgbm")
        refuse_other_encoders(encoder, task="lightgbm", names=("identity",))
        super().__init__(encoder)
        from lightgbm import LGBMClassifier

        trees = LGBMClassifier(
            **options.model_dump(),
            class_weight="balanced",
            random_state=int(torch.randint(2**31, ())),  # from the trial's stream, as weights are
            n_jobs=torch.get_num_threads(),  # else it takes all cores of the machine
            deterministic=True,
            force_row_wise=True,  # else it times both layouts and may take either
            verbosity=-1,
        )
        self.classifier = BoostedTrees(trees, n_labels=len(label_names))

    def prepare(self, train: Cells) -> None:
        """Grow the trees on the labelled training cells; raise DataError if there are none."""
        self.classifier.fit(fitted_reference(self.encoder, train, device="cpu"))

    def loss(self, minibatch: CellBatch, generator: torch.Generator) -> Loss:
        """Raise: trees are grown, no weights are moved."""
        raise RuntimeError("lightgbm has no loss; prepare(train) fits it (gradient_free)")
