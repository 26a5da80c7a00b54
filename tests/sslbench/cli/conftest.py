"""What several commands are tried on."""

from __future__ import annotations

from pathlib import Path

import pytest

from sslbench.config import TrialConfig
from sslbench.trial import run_trial
from tests.factories import synthetic_store


@pytest.fixture(scope="module")
def classifying_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pulled model folder with a classifier."""
    folder = tmp_path_factory.mktemp("model")
    config = TrialConfig.model_validate(
        {
            "dataset": {"name": "synthetic"},
            "pretext": {"name": "supervised"},
            "encoder": {"name": "linear", "embedding_dim": 4},
            "training": {"max_updates": 20, "evaluate_every": 10},
            "evaluation": [{"name": "knn"}],
        }
    )
    store = synthetic_store(folder)
    run_trial(config, store=store, workdir=folder, report=lambda _: None, score_test=True)
    return folder / "checkpoint"
