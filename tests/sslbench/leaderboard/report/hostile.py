"""A sweep every name of which tries to become markup."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from sslbench.leaderboard.board import Leaderboard
from sslbench.leaderboard.maps import finalists
from sslbench.results import Failure, TrialRecord
from tests.sslbench.leaderboard.fake_sweep import MAE, SUPERVISED, FakeSweep, fake_sweep
from tests.sslbench.leaderboard.fake_tasks import with_shares

IMAGE = "<img src=x onerror=\"document.title='owned'\">"
SCRIPT = "</title></style><script>document.title='owned'</script>"
ATTRIBUTE = "\" onload=\"document.title='owned'\" '"
STYLE = ";background:url(https://evil.example/x.png)}@import 'https://evil.example'"
HOSTILE = f"{IMAGE} {SCRIPT} {ATTRIBUTE} {STYLE}"


def hostile_sweep() -> FakeSweep:
    """Return a sweep with label shares and components of scIB whose names, messages and versions are all hostile."""
    arms = [replace(MAE, name=HOSTILE, encoder=HOSTILE), replace(SUPERVISED, encoder=HOSTILE)]
    sweep = fake_sweep(arms, donors=(HOSTILE, "b"))
    accuracy = {0.05: {HOSTILE: 0.7, "supervised": 0.6}}
    sweep = with_shares(sweep, accuracy, lost={0.01: (HOSTILE,)})
    facts = replace(
        sweep.facts,
        sweep=HOSTILE,
        question=HOSTILE,
        dataset=HOSTILE,
        data_line=HOSTILE,
        split_line=HOSTILE,
        label_names=(HOSTILE,) * 8,
        excluded_labels=(HOSTILE,),
        test_donors=(HOSTILE, "b"),
        versions=((HOSTILE, HOSTILE),),
        commit=HOSTILE,
        notes=(HOSTILE,),
    )
    records = [_hostile(record, i) for i, record in enumerate(sweep.records)]
    return FakeSweep(records, sweep.predictions, facts)


def hostile_maps(board: Leaderboard, sweep: FakeSweep) -> Mapping[str, pd.DataFrame]:
    """Return maps of the finalists whose batches have hostile names."""
    generator, maps = np.random.default_rng(0), {}
    for uid in finalists(board, sweep.records).values():
        rows = sweep.predictions[uid]["row_id"].iloc[:100].to_numpy()
        names = [HOSTILE + str(i % 2) for i in range(len(rows))]
        x, y = generator.normal(size=(2, len(rows)))
        maps[uid] = pd.DataFrame({"row_id": rows, "batch": names, "x": x, "y": y})
    return maps


def _hostile(record: TrialRecord, i: int) -> TrialRecord:
    params = {HOSTILE: HOSTILE + str(i % 3), "pretext/mask": HOSTILE}
    failure = record.failure and Failure(kind="error", message=HOSTILE)
    told = {"params": params, "failure": failure, "provenance": {"scib-metrics": HOSTILE}}
    if record.stage == "confirm" and record.result is not None:
        scores = {**record.result.scores, "test/scib/total": 0.5, "test/scib/kbet": 0.1}
        told["result"] = record.result.model_copy(update={"scores": scores})
    return record.model_copy(update=told)
