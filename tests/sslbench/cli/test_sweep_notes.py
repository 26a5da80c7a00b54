"""What a leaderboard says of the sweep it ranks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sslbench.cli.board import sweep_facts
from sslbench.cli.counted import LabelsLeft
from sslbench.cli.question import Question
from sslbench.cli.sweep_notes import sweep_notes
from sslbench.search.spec import SweepSpec
from tests.sslbench.cli.questions import manifest

MAE = {"pretext": {"name": "masked"}, "encoder": {"name": "mlp"}}
SUPERVISED = {"pretext": {"name": "supervised"}, "encoder": {"name": "mlp"}}


def question(
    *, data: dict[str, Any] | None = None, beside: dict[str, Any] | None = None, **sweep: Any
) -> Question:
    given = {
        "question": "q",
        "dataset": {"name": "pbmc_cite"},
        "evaluation": [{"name": "knn"}],
        "arms": {"mae": MAE, "supervised": SUPERVISED},
    }
    spec = SweepSpec.model_validate(given | sweep)
    return Question(
        sweep="s",
        execution="e",
        asked_unix_ms=0,
        spec=spec.model_dump(mode="json", by_alias=True),
        data=data or manifest(),
        store=str(Path("store")),
        **(beside or {}),
    )


def test_a_plain_sweep_needs_no_note() -> None:
    assert sweep_notes(question()) == ()


def test_a_corpus_is_named_with_its_cells_its_genes_and_who_learns_from_it() -> None:
    corpus = manifest(
        dataset="kang18", joined=("kang18: 13,576 cells, 480 of 500 genes",), guard="all compared"
    )
    asked = question(
        data=manifest(n_genes_missing=20),
        beside={"corpus_data": corpus},
        scenario="transfer",
        corpus=["kang18"],
    )
    who, what, guard = sweep_notes(asked)
    assert who.startswith("transfer: mae pretrained on a corpus without the target's cells")
    assert "supervised learn from the target's training cells" in who
    assert "kang18: 13,576 cells, 480 of 500 genes" in what
    assert "pbmc_cite measured 480 of its 500 genes" in what
    assert "all compared" in guard


def test_fewer_labels_and_tasks_of_the_confirm_stage_are_said() -> None:
    few, late, copy = sweep_notes(
        question(label_fraction=0.1, evaluation=[{"name": "knn"}, {"name": "fine_tune"}])
    )
    assert few.startswith("10 % of the labels")
    assert late.endswith("no recipe was chosen by it: fine_tune")
    assert copy.startswith("fine_tune trains a copy of the encoder")


def test_what_cannot_be_ranked_without_labels_is_said_with_what_ranks_instead() -> None:
    asked = question(
        data=manifest(label_names=()),
        beside={"left_out": ("supervised", "knn")},
        evaluation=[{"name": "reconstruction"}],
        objective={"metric": "val/reconstruction/explained_variance"},
    )
    (note,) = sweep_notes(asked)
    assert "no labels: supervised, knn cannot be ranked" in note
    assert note.endswith("ranked by val/reconstruction/explained_variance")


def test_facts_name_the_tasks_with_their_metrics_and_the_shares_of_labels() -> None:
    left = (
        LabelsLeft(fraction=1.0, n_labels=400),
        LabelsLeft(fraction=0.05, n_labels=20, lost=("B",)),
    )
    asked = question(
        beside={"labels_left": left},
        label_fractions=[0.05],
        evaluation=[{"name": "knn", "of": "projector"}, {"name": "cross_modality"}],
    )
    facts = sweep_facts(asked, [])
    assert [task.name for task in facts.tasks] == ["knn_projector", "cross_modality"]
    assert next(iter(facts.tasks[1].metrics)) == "pearson_per_feature"
    assert facts.n_labels == 400
    (share,) = facts.label_shares
    assert (share.suffix, share.n_labels, share.lost) == ("_at_5", 20, ("B",))


def test_validation_scores_of_training_cells_are_stamped() -> None:
    asked = {"evaluation": [{"name": "cross_modality"}]}
    (stamp,) = sweep_notes(question(beside={"modality_measured": {"train": 9, "val": 0}}, **asked))
    assert stamp.startswith("no validation cell has the second modality")
    assert (
        sweep_notes(question(beside={"modality_measured": {"train": 9, "val": 3}}, **asked)) == ()
    )


def test_where_types_kept_apart_are_scored_who_learnt_from_labels_is_named() -> None:
    scored = [{"name": "integration"}]
    [told] = sweep_notes(question(evaluation=scored, objective={"metric": "val/integration/total"}))
    assert told.startswith("supervised learnt from labels")
    assert "bio of integration" in told
    blind = {"mae": MAE}
    assert sweep_notes(question(evaluation=scored, arms=blind, objective={"metric": "val/integration/total"})) == ()  # fmt: skip


@pytest.mark.parametrize("task, judged, predicted", [("integration/total", True, False), ("knn/macro_f1", False, True), ("cross_modality/pearson_per_feature", False, False)])  # fmt: skip
def test_facts_say_whether_labels_judge_or_are_predicted(task, judged, predicted) -> None:
    scored = [{"name": task.partition("/")[0]}]
    facts = sweep_facts(question(evaluation=scored, objective={"metric": f"val/{task}"}), [])
    assert (facts.judged_by_labels, facts.of_labels) == (judged, predicted)


def test_controls_and_arms_that_leave_no_model_are_named() -> None:
    arms = {
        "mae": MAE,
        "supervised": SUPERVISED,
        "trees": {"pretext": {"name": "gradient_boosting"}, "encoder": {"name": "identity"}},
        "untrained": {"pretext": {"name": "random_init"}, "encoder": {"name": "mlp"}},
    }
    controls, without_model = sweep_notes(question(arms=arms))
    assert "the scale that the others are read on: untrained;" in controls
    assert without_model.startswith("trees: ranked, but no model folder is kept")
