"""What a sweep file says of scenario, corpus and labels must go together, or is one error with its line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sslbench.errors import ConfigError
from sslbench.search.spec import load_sweep

MAE = {"pretext": {"name": "masked"}, "encoder": {"name": "mlp"}}
SUPERVISED = {
    "pretext": {"name": "supervised"},
    "encoder": {"name": "mlp"},
    "objective": "val/head/macro_f1",
}
KNN = [{"name": "knn"}, {"name": "head"}]
TRANSFER = {"scenario": "transfer", "corpus": ["kang18"]}


def arms(**more: Any) -> dict[str, Any]:
    return {"arms": {"mae": MAE, "supervised": SUPERVISED} | more}


def load(folder: Path, changes: dict[str, Any]) -> Any:
    asked = {"question": "q", "dataset": {"name": "breast_tumour"}, "evaluation": KNN, **arms()}
    path = folder / "asked.yaml"
    path.write_text(json.dumps(asked | changes))
    return load_sweep(path)


WRONG = {
    "a corpus in_data": ({"corpus": ["kang18"]}, "C120"),
    "transfer without a corpus": ({"scenario": "transfer"}, "C120"),
    "a corpus that is unknown": ({"scenario": "transfer", "corpus": ["kang19"]}, "C011"),
    "a data set twice in a corpus": (TRANSFER | {"corpus": ["kang18", "kang18"]}, "C120"),
    "nobody learns from the corpus": (TRANSFER | arms(mae=MAE | {"pretrain_on": "target"}), "C120"),
    "an arm of a corpus without one": (arms(mae=MAE | {"pretrain_on": "corpus"}), "C121"),
    "labels of a corpus": (
        TRANSFER | arms(supervised=SUPERVISED | {"pretrain_on": "corpus"}), "C121",
    ),
    "fine-tuning in zero_shot": (
        TRANSFER | {"scenario": "zero_shot", "evaluation": [*KNN, {"name": "fine_tune"}]}, "C122",
    ),
    "pretraining on the target in zero_shot": (
        TRANSFER | {"scenario": "zero_shot"} | arms(own=MAE | {"pretrain_on": "target"}), "C122",
    ),
    "a share that is no whole percent": ({"label_fractions": [0.015]}, "C123"),
    "a share of more than there is": ({"label_fraction": 0.1, "label_fractions": [0.5]}, "C123"),
    "a share twice": ({"label_fractions": [0.5, 0.5]}, "C123"),
    "nothing to retune at": ({"retune": True}, "C123"),
    "an arm with a share of its own": (arms(mae=MAE | {"label_fraction": 0.5}), "C123"),
    "an arm called as a copy": (
        {"retune": True, "label_fractions": [0.05]} | arms(mae_at_5=MAE), "C123",
    ),
    "open_set as objective of labels": (
        {"evaluation": [*KNN, {"name": "open_set"}]}
        | arms(supervised=SUPERVISED | {"objective": "val/open_set/auroc"}), "C116",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_a_contradiction_is_one_error_with_its_place(what: str, tmp_path: Path) -> None:
    changes, code = WRONG[what]
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, changes)
    assert caught.value.code == code
    assert "asked.yaml" in caught.value.where
    assert caught.value.fix


def test_self_supervised_arms_learn_from_the_corpus_and_others_from_the_target(
    tmp_path: Path,
) -> None:
    pca = {"pretext": {"name": "pca"}, "encoder": {"name": "linear"}}
    more = arms(pca=pca, pca_of_corpus=pca | {"pretrain_on": "corpus"})
    spec = load(tmp_path, TRANSFER | more)
    learning = {arm for arm in spec.arms if spec.config(arm, {}, seed=0).corpus}
    assert learning == {"mae", "pca_of_corpus"}
