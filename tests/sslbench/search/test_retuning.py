"""Arms searched anew at each fraction of labels."""

from dataclasses import replace

import numpy as np

from sslbench.search.controls import with_controls
from sslbench.search.retuning import retuned
from sslbench.search.spec import SweepSpec
from tests.factories import synthetic_cells

ARM = {"pretext": {"name": "masked"}, "encoder": {"name": "mlp"}}


def spec(**changes):
    given = {
        "question": "q",
        "dataset": {"name": "pbmc_cite"},
        "evaluation": [{"name": "knn"}],
        "label_fractions": [0.05, 0.5],
        "arms": {"mae": ARM},
    }
    return SweepSpec.model_validate(given | changes)


def train(n_of_rare):
    cells = synthetic_cells(n_cells=40 + n_of_rare, n_types=2)
    return replace(cells, label=np.repeat([0, 1], [40, n_of_rare]))


def test_a_sweep_that_does_not_ask_stays_as_it_is() -> None:
    asked = spec()
    assert retuned(asked, train(40)) is asked
    assert asked.config("mae", {}, seed=0).label_fractions == (0.05, 0.5)


def test_every_arm_gets_a_copy_at_each_fraction_where_no_type_is_lost() -> None:
    asked = retuned(spec(retune=True), train(9))
    assert list(asked.arms) == ["mae", "mae_at_50"]  # 5 % of 9 cells would be none
    whole, half = (asked.config(arm, {}, seed=0) for arm in asked.arms)
    assert (whole.label_fraction, half.label_fraction) == (1.0, 0.5)
    assert whole.label_fractions == half.label_fractions == ()
    assert whole.recipe() != half.recipe()


def test_controls_get_copies_too_so_that_the_scale_is_there_at_every_fraction() -> None:
    asked = retuned(with_controls(spec(retune=True)), train(9))
    copies = [name for name, arm in asked.arms.items() if arm.label_fraction and arm.is_control]
    assert copies == ["majority_at_50", "random_init_at_50", "shuffled_labels_at_50"]
