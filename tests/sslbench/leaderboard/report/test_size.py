"""The page of a sweep far larger than usual: small enough to send."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from sslbench.leaderboard.maps import finalists
from sslbench.leaderboard.report.page import render_html
from sslbench.leaderboard.statistics import macro_f1
from sslbench.results import TrialRecord
from tests.sslbench.leaderboard.fake_sweep import ARMS, FakeSweep, fake_sweep
from tests.sslbench.leaderboard.report.markup import Structure

N_ARMS, N_TRIALS, N_CELLS, N_TYPES, N_MAPPED = 40, 100, 10_000, 60, 1_000
MOST_BYTES = 5_000_000


def large_sweep() -> FakeSweep:
    """Return a sweep of 40 arms, 100 trials each, on 10,000 test cells of 60 types and two donors."""
    arms = [
        replace(ARMS[i % 4], name=f"{ARMS[i % 4].name}_{i:02d}", n_trials=N_TRIALS, seeds=(1, 2, 3))
        for i in range(N_ARMS)
    ]
    sweep = fake_sweep(arms, donors=("a", "b"))
    generator = np.random.default_rng(0)
    label = np.minimum(generator.geometric(0.08, N_CELLS) - 1, N_TYPES - 1)
    label[:N_TYPES] = np.arange(N_TYPES)
    told = {"row_id": np.arange(N_CELLS), "donor": np.where(label % 2, "a", "b"), "label": label}
    told["donor"] = generator.choice(["a", "b"], N_CELLS)
    records, predictions = [], {}
    for record in sweep.records:
        if record.uid in sweep.predictions and record.result is not None:
            scores = dict(record.result.scores)
            columns = [c for c in sweep.predictions[record.uid] if c.startswith("predicted/")]
            guesses = {}
            for column in columns:
                wrong = generator.integers(0, N_TYPES, N_CELLS)
                guesses[column] = np.where(generator.random(N_CELLS) < 0.7, label, wrong)
                key = f"test/{column.removeprefix('predicted/')}/macro_f1"
                scores[key] = macro_f1(label, guesses[column])
            predictions[record.uid] = pd.DataFrame({**told, **guesses})
            result = record.result.model_copy(update={"scores": scores})
            record = record.model_copy(update={"result": result})
        records.append(_longer(record, generator))
    names = tuple(f"a cell type with a long name, number {i}" for i in range(N_TYPES))
    return FakeSweep(records, predictions, replace(sweep.facts, label_names=names))


def _longer(record: TrialRecord, generator: np.random.Generator) -> TrialRecord:
    """Return the record with five options more and, where it learned step by step, with 60 reports."""
    options = {f"pretext/option_{i}": float(generator.uniform()) for i in range(5)}
    told: dict[str, object] = {"params": {**record.params, **options}}
    if len(record.reports) > 1 and record.result is not None:
        last = record.reports[-1]
        curve = tuple(last.model_copy(update={"updates": 50 * (i + 1)}) for i in range(60))
        told["result"] = record.result.model_copy(update={"curve": curve})
    return record.model_copy(update=told)


@pytest.mark.slow
def test_the_page_of_a_large_sweep_is_below_five_megabytes() -> None:
    sweep = large_sweep()
    board = sweep.ranked()
    generator = np.random.default_rng(1)
    rows = np.sort(generator.permutation(N_CELLS)[:N_MAPPED])
    maps = {
        uid: pd.DataFrame(
            {
                "row_id": rows,
                "batch": rows % 7,
                "x": generator.normal(size=N_MAPPED),
                "y": generator.normal(size=N_MAPPED),
            }
        ).astype({"batch": str})
        for uid in finalists(board, sweep.records).values()
    }
    page = render_html(board, sweep.records, sweep.predictions, sweep.facts, maps=maps)
    Structure(page)
    assert len(board.rows) == N_ARMS
    assert page.count("Drawn are the first 16 rows of the leaderboard; not drawn: ") >= 3
    assert "The 20 rarest types are not drawn: " in page
    assert len(page.encode()) <= MOST_BYTES
