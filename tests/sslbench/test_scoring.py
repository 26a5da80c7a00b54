"""What a trial leaves of the test cells, as the leaderboard reads it."""

from pathlib import Path

import numpy as np
import pandas as pd

from sslbench.data.labels import LabelPoint
from sslbench.evaluation.base import Evaluation
from sslbench.leaderboard.predictions import TestFrames, unit_scores
from sslbench.scoring import Judged, scored, units_frame
from tests.factories import embedded_cells, synthetic_cells


def judged_with(**of_task: Evaluation) -> Judged:
    cells = synthetic_cells()
    point = LabelPoint(fraction=1.0, suffix="", train=cells, val=cells)
    fitted = {name: lambda _, found=found: found for name, found in of_task.items()}
    return Judged(point, {}, scored("test", fitted, embedded_cells()))


def test_a_file_says_whether_its_units_are_donors_or_resamples_of_cells(tmp_path: Path) -> None:
    donors, cells = np.array([0.1, 0.2, np.nan, 0.4]), np.linspace(0, 1, 6)
    judged = judged_with(
        reconstruction=Evaluation(scores={}, per_unit=donors, unit="donors"),
        open_set=Evaluation(scores={}, per_unit=cells, unit="cells"),
        knn=Evaluation(scores={}, predicted=np.zeros(6, dtype=np.int64)),
    )
    units_frame([judged]).to_parquet(tmp_path / "units.parquet", index=False)
    table = pd.read_parquet(tmp_path / "units.parquet")
    assert list(table.columns) == ["donors/reconstruction", "cells/open_set"]
    frames = TestFrames(predictions={}, units={"a": table, "b": table})
    for task, kind, values in (("reconstruction", "donors", donors), ("open_set", "cells", cells)):
        found = unit_scores(frames, ["a", "b"], task)
        assert found is not None
        assert found.kind == kind
        np.testing.assert_array_equal(found.values, [values, values])
    assert unit_scores(frames, ["a", "b"], "knn") is None
    assert unit_scores(frames, ["a", "c"], "open_set") is None


def test_a_file_of_an_older_version_does_not_say_it_and_is_read_all_the_same() -> None:
    old = pd.DataFrame({"reconstruction": [0.1, 0.2]})
    new = pd.DataFrame({"donors/reconstruction": [0.3, 0.4]})
    frames = TestFrames(predictions={}, units={"old": old, "new": new})
    alone = unit_scores(frames, ["old"], "reconstruction")
    both = unit_scores(frames, ["old", "new"], "reconstruction")
    assert alone is not None
    assert both is not None
    assert (alone.kind, both.kind) == (None, "donors")
    np.testing.assert_array_equal(both.values, [[0.1, 0.2], [0.3, 0.4]])
