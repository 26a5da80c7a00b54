"""A claim that a sweep cannot judge is one error with its line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sslbench.errors import ConfigError
from sslbench.search.spec import SweepSpec, load_sweep

MLP = {"encoder": {"name": "mlp"}}
ASKED: dict[str, Any] = {
    "question": "q",
    "dataset": {"name": "pbmc_cite"},
    "evaluation": [{"name": "knn"}, {"name": "knn", "of": "projector"}, {"name": "head"}],
    "arms": {
        "byol": {"pretext": {"name": "byol"}, **MLP},
        "supervised": {"pretext": {"name": "supervised"}, **MLP, "objective": "val/head/macro_f1"},
    },
}
BYOL, SUPERVISED = {"arm": "byol"}, {"arm": "supervised"}


def load(folder: Path, **part: Any) -> SweepSpec:
    path = folder / "asked.yaml"
    claim = {"text": "c", "source": "s", "parts": [{"says": "p", **part}]}
    path.write_text(json.dumps(ASKED | {"claim": claim}))
    return load_sweep(path)


@pytest.mark.parametrize(
    "part",
    [
        {"better": BYOL, "than": SUPERVISED},
        {"better": BYOL | {"by": "knn"}, "than": BYOL | {"by": "knn_projector"}},
        {"better": BYOL | {"by": "knn"}, "than": SUPERVISED | {"by": "knn"}, "metric": "accuracy"},
    ],
)
def test_a_claim_about_arms_and_tasks_of_the_sweep_is_taken(tmp_path, part):
    claim = load(tmp_path, **part).claim
    assert claim is not None
    assert claim.parts[0].better.arm == "byol"


@pytest.mark.parametrize(
    ("part", "code", "says"),
    [
        ({"better": {"arm": "byoll"}, "than": SUPERVISED}, "C125", "byoll"),
        ({"better": BYOL | {"by": "linear_probe"}, "than": SUPERVISED}, "C125", "linear_probe"),
        ({"better": BYOL, "than": BYOL}, "C126", "two sides"),
        ({"better": BYOL, "than": SUPERVISED, "metric": "accuracy"}, "C127", "no task is named"),
        (
            {"better": BYOL | {"by": "knn"}, "than": SUPERVISED | {"by": "knn"}, "metric": "acc"},
            "C127",
            "acc",
        ),
        ({"better": BYOL, "then": SUPERVISED}, "C100", "than"),
    ],
)
def test_a_claim_that_cannot_be_judged_is_one_error(tmp_path, part, code, says):
    with pytest.raises(ConfigError) as refused:
        load(tmp_path, **part)
    assert refused.value.code == code
    assert says in str(refused.value)
    assert "asked.yaml" in str(refused.value.where)


def test_the_wording_of_a_claim_is_no_other_question(tmp_path):
    claimed = load(tmp_path, better=BYOL, than=SUPERVISED)
    plain = claimed.model_copy(update={"claim": None})
    assert claimed.question_fingerprint("d") == plain.question_fingerprint("d")
