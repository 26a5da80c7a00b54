import re
from statistics import fmean

import numpy as np

from sslbench.leaderboard.board import Leaderboard
from sslbench.leaderboard.report.page import render_html
from tests.sslbench.leaderboard.fake_sweep import (
    MAE,
    PCA,
    SUPERVISED,
    FakeArm,
    FakeSweep,
    fake_sweep,
)

COMPONENTS = {
    "total": "total", "bio": "biology", "batch": "batch", "isolated_labels": "isolated labels",
    "kmeans_nmi": "k-means NMI", "kmeans_ari": "k-means ARI", "silhouette_label": "silhouette label",
    "clisi": "cLISI", "bras": "BRAS", "ilisi": "iLISI", "kbet": "kBET",
    "graph_connectivity": "graph connectivity", "pcr_comparison": "PCR comparison",
}  # fmt: skip
BOTH = {"scib": tuple(COMPONENTS), "integration": ("total", "bio", "batch", "kmeans_ari", "bras")}


def scored(arms: list[FakeArm], tasks: dict[str, tuple[str, ...]]) -> tuple[Leaderboard, FakeSweep]:
    """Return a sweep whose confirm trials have made-up scores of these tasks."""
    sweep, records, generator = fake_sweep(arms), [], np.random.default_rng(3)
    for record in sweep.records:
        if record.stage == "confirm" and record.result is not None:
            more = {
                f"test/{task}/{name}": round(float(generator.uniform(-0.1, 1)), 4)
                for task, names in tasks.items()
                for name in names
            }
            result = record.result.model_copy(update={"scores": {**record.result.scores, **more}})
            made = {"sslbench": "0.1.0", "scib-metrics": "0.5.10"}
            record = record.model_copy(update={"result": result, "provenance": made})
        records.append(record)
    sweep = FakeSweep(records, sweep.predictions, sweep.facts)
    return sweep.ranked(), sweep


def section(board: Leaderboard, sweep: FakeSweep) -> str:
    page = render_html(board, sweep.records, sweep.predictions, sweep.facts)
    found = re.search(
        r"<section><h2>Integration, component by component.*?</section>", page, re.DOTALL
    )
    return found.group() if found else ""


def test_every_component_and_total_of_every_row_is_its_mean_over_seeds() -> None:
    board, sweep = scored([MAE, SUPERVISED, PCA], BOTH)
    text = section(board, sweep)
    assert re.findall(r"<h3>(.*?)</h3>", text) == ["Task scib", "Task integration"]
    records = {record.uid: record for record in sweep.records}
    for task, names in BOTH.items():
        table = text[text.index(f"Task {task}") :].partition("</table>")[0]
        heads = re.findall(r'<th class="n">(.*?)</th>', table)
        assert heads == [COMPONENTS[name] for name in COMPONENTS if name in names]
        lines = re.findall(r'<th scope="row">(.*?)</th>(.*?)</tr>', table)
        for row, (method, cells) in zip(board.rows, lines, strict=True):
            assert method.replace("<wbr>", "") == row.method
            shown = [float(c.replace("−", "-")) for c in re.findall(r">([−\d.]+)</td>", cells)]
            for name, value in zip([n for n in COMPONENTS if n in names], shown, strict=True):
                key = f"test/{task}/{name}"
                expected = fmean(r.scores[key] for u in row.uids if (r := records[u].result))
                assert abs(value - expected) < 0.0006


def test_the_versions_that_scored_are_named() -> None:
    text = section(*scored([MAE, SUPERVISED], BOTH))
    assert "scib-metrics 0.5.10" in text
    assert "sslbench 0.1.0" in text


def test_arms_that_learnt_from_labels_are_named_where_there_are_some() -> None:
    told = "learnt from the labels that biology scores"
    assert f"supervised/mlp {told}" in section(*scored([MAE, SUPERVISED], BOTH))
    assert told not in section(*scored([MAE, PCA], BOTH))


def test_without_a_task_of_scib_there_is_no_such_section() -> None:
    assert section(*scored([MAE, SUPERVISED], {})) == ""
