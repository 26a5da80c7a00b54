"""What cannot be prepared on the cells at hand is one error before any trial."""

from pathlib import Path

import pytest

from sslbench.data.cells import Cells
from sslbench.encoders.identity import Identity
from sslbench.errors import ConfigError, DataError, SetupError
from sslbench.pretext import _extras
from sslbench.pretext.gradient_boosting import GradientBoosting
from sslbench.search.rehearsal import rehearse
from sslbench.search.spec import Arm, SweepSpec, load_sweep
from tests.factories import synthetic_store

ROOT = Path(__file__).parents[3]


def masking(*overrides: str) -> SweepSpec:
    return load_sweep(ROOT / "sweeps/mae_masking.yaml", overrides=overrides)


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """Cells whose genes are in no bundled programme."""
    return synthetic_store(tmp_path, n_cells=300, n_genes=150)


def test_programmes_without_a_gene_of_the_data_are_refused_naming_arm_and_choice(
    foreign: Path,
) -> None:
    with pytest.raises(DataError) as error:
        rehearse(masking(), foreign)
    assert error.value.code == "G003"
    assert "arm 'mae', pretext/mask=gene_programme" in str(error.value)
    assert "coexpression" in str(error.value)


def test_the_remedy_that_the_error_names_works(foreign: Path) -> None:
    masks = "arms.mae.search.pretext/mask.choice=[random, gene_programme, none]"
    rehearse(masking("arms.mae.pretext.programmes=coexpression", masks), foreign)


def test_more_components_than_there_can_be_are_refused_naming_the_choice(tmp_path: Path) -> None:
    store = synthetic_store(tmp_path, n_cells=300, n_genes=60)
    only_random = "arms.mae.search.pretext/mask.choice=[random]"
    when = "arms.mae.search.pretext/mask_rate.when={pretext/mask: [random]}"
    with pytest.raises(ConfigError) as error:
        rehearse(masking(only_random, when), store)
    assert error.value.code == "C031"
    assert "arm 'pca', encoder/embedding_dim=64" in str(error.value)


def test_a_sweep_whose_every_choice_fits_is_rehearsed_in_silence(tmp_path: Path) -> None:
    rehearse(load_sweep(ROOT / "sweeps/smoke.yaml"), synthetic_store(tmp_path))


@pytest.mark.parametrize("task, missing", [("integration", "two batches"), ("cross_modality", "a second modality")])  # fmt: skip
def test_a_task_that_the_cells_cannot_answer_is_refused_with_what_they_lack(
    task: str, missing: str, tmp_path: Path
) -> None:
    """Here a split of one donor has one batch, and nothing but RNA was measured."""
    spec = load_sweep(ROOT / "sweeps/smoke.yaml")
    asked = spec.model_copy(update={"evaluation": (*spec.evaluation, {"name": task})})
    with pytest.raises(DataError, match=missing) as error:
        rehearse(asked, synthetic_store(tmp_path, n_donors=3))
    assert error.value.code == "D310"


def test_a_type_that_keeps_no_label_is_refused_by_name(tmp_path: Path) -> None:
    spec = load_sweep(ROOT / "sweeps/smoke.yaml", overrides=("label_fraction=0.001",))
    with pytest.raises(DataError, match="no label is left of type0") as error:
        rehearse(spec, synthetic_store(tmp_path))
    assert error.value.code == "D311"


def test_a_classifier_that_is_fitted_whole_is_tried_once_an_encoder_and_not_at_each_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = load_sweep(ROOT / "sweeps/baselines.yaml")
    fitted: list[int] = []
    original = GradientBoosting.prepare

    def counting(self: GradientBoosting, train: Cells) -> None:
        fitted.append(self.classifier.trees.max_iter)
        original(self, train)

    monkeypatch.setattr(GradientBoosting, "prepare", counting)
    rehearse(spec, synthetic_store(tmp_path, n_cells=600, n_genes=150))
    assert fitted == [spec.arms["gradient_boosting"].search["pretext/max_iter"].ends()[0]]


def test_a_package_that_is_not_installed_is_said_before_any_trial_naming_the_arm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_extras, "find_spec", lambda name: None)
    trees = {"pretext": {"name": "lightgbm"}, "encoder": {"name": "identity"}, "objective": "val/head/macro_f1"}  # fmt: skip
    spec = load_sweep(ROOT / "sweeps/smoke.yaml")
    asked = spec.model_copy(update={"arms": {**spec.arms, "trees": Arm.model_validate(trees)}})
    with pytest.raises(SetupError, match="needs the package lightgbm") as error:
        rehearse(asked, synthetic_store(tmp_path))
    assert error.value.where == "arm 'trees'"
    assert "sslbench[lightgbm]" in str(error.value)


def test_an_embedding_that_would_not_fit_memory_is_refused_before_any_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Identity, "most_values", 1000)
    spec = load_sweep(ROOT / "sweeps/baselines.yaml")
    with pytest.raises(ConfigError, match="dense embedding of") as error:
        rehearse(spec, synthetic_store(tmp_path, n_cells=600, n_genes=150))
    assert error.value.code == "C036"
    assert "arm 'logistic_regression'" in str(error.value)
