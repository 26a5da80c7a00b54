"""The page, the CSV, the markdown and the JSON over all sweeps."""

import io
import json
import re
from dataclasses import replace

import pandas as pd

from sslbench.leaderboard.across.gains import gain_curves
from sslbench.leaderboard.across.page import render_index
from sslbench.leaderboard.across.pairs import RankedSweep
from sslbench.leaderboard.across.store import AcrossSweeps, across_sweeps
from sslbench.leaderboard.across.text import render_csv, render_markdown, to_plain
from tests.sslbench.leaderboard.across.fake_store import ranked
from tests.sslbench.leaderboard.fake_sweep import MAE, SUPERVISED, fake_sweep
from tests.sslbench.leaderboard.fake_tasks import with_shares
from tests.sslbench.leaderboard.report.hostile import HOSTILE
from tests.sslbench.leaderboard.report.markup import Structure


def with_curve(dataset: str) -> RankedSweep:
    shares = {0.05: {"mae": 0.8, "supervised": 0.4}, 0.5: {"mae": 0.8, "supervised": 0.8}}
    sweep = with_shares(fake_sweep([MAE, SUPERVISED]), shares)
    return RankedSweep(board=sweep.ranked(), facts=replace(sweep.facts, dataset=dataset))


def store(names: tuple[str, ...] = ("blood", "lung", "gut", "eye", "skin")) -> AcrossSweeps:
    scores = {"masked": 0.8, "byol": 0.75, "supervised": 0.7, "pca": 0.6}
    sweeps = [
        ranked(name, {arm: v + 0.01 * i * (arm == "pca") for arm, v in scores.items()})
        for i, name in enumerate(names)
    ]
    return across_sweeps([*sweeps, ranked("bone", {"masked": 0.7, "supervised": 0.6})])


REPORTS = {("s", "blood"): "s.blood.html", ("s", 'we "quote" & co'): "s.we #1.html"}
PAGE = render_index(store(), REPORTS)


def test_the_page_is_well_formed_loads_nothing_and_runs_nothing() -> None:
    structure = Structure(PAGE)
    assert not {"script", "link", "img", "iframe", "object", "base", "form"} & set(structure.tags)
    assert not {name for name in structure.attributes if name.startswith("on")}
    assert "default-src 'none'" in PAGE
    assert re.findall(r'href="([^"]*)"', PAGE) == ["s.blood.html", "s.we%20%231.html"]


def test_names_are_escaped() -> None:
    sweeps = [ranked(HOSTILE, {"masked": 0.8, "supervised": 0.7}, sweep=HOSTILE) for _ in "ab"]
    page = render_index(across_sweeps(sweeps), {(HOSTILE, HOSTILE): f"{HOSTILE}.html"})
    assert "<img" not in page
    Structure(page)


def test_the_page_has_every_section_and_says_how_to_read_each() -> None:
    assert re.findall(r"<h2>(.*?)</h2>", PAGE) == [
        "Best SSL − best baseline: in_data · macro F1",
        "Ranks: in_data · macro F1",
        "The single reports",
    ]
    assert PAGE.count("How to read:") == 3
    assert "Friedman" in PAGE
    assert "hole — no score on 1 of 6 pairs (bone: macro F1): byol/mlp" in PAGE
    assert "pairs not averaged over, for want of a method: bone: macro F1" in PAGE
    assert '<svg class="ranks"' in PAGE


def test_below_five_pairs_the_diagram_is_hidden_with_the_reason() -> None:
    page = render_index(store(("blood", "lung", "gut")), {})
    assert '<svg class="ranks"' not in page
    assert "no critical-difference diagram: from 5 pairs on, here are 3" in page


def test_gains_stand_side_by_side_with_the_break_even_count() -> None:
    sweeps = [with_curve("lung"), with_curve("blood"), ranked("gut", {"masked": 0.8})]
    gains = gain_curves(sweeps)
    assert [of.dataset for of in gains] == ["blood", "lung"]
    assert gains[0].curve.break_even == 0.5
    assert gains[0].break_even_labels == 450
    page = render_index(across_sweeps(sweeps), {})
    section = page[page.index("<h2>With fewer labels") :]
    assert section.count('<svg class="panel"') == 2
    assert "at 50 % of the labels (450 labelled training cells)" in section
    assert to_plain(across_sweeps(sweeps))["label_gains"][0]["break_even_labels"] == 450


def test_the_csv_holds_one_line_for_each_method_and_pair_and_no_formula() -> None:
    frame = pd.read_csv(io.StringIO(render_csv(store())))
    assert len(frame) == 5 * 4 + 2
    best = frame[frame["method"] == "masked/mlp"]
    assert set(best["rank"].dropna()) == {1.0}
    assert best["rank"].isna().sum() == 1  # the pair that is not averaged over
    assert "'=1+1" in render_csv(across_sweeps([ranked("=1+1", {"masked": 0.8})]))


def test_markdown_and_json_say_what_the_page_says() -> None:
    across = store()
    text, plain = render_markdown(across, REPORTS), json.loads(json.dumps(to_plain(across)))
    sentence = across.verdicts[0].sentence
    assert sentence in text
    assert plain["verdicts"][0]["verdict"] == sentence
    assert "(s.blood.html)" in text
    methods = [row["method"] for row in plain["rankings"][0]["methods"]]
    assert methods == [row.method for row in across.rankings[0].rows]
    assert plain["rankings"][0]["methods"][0]["mean_rank"]["low"] is None  # it never varies


def test_of_one_thing_there_is_one() -> None:
    one = across_sweeps([ranked("bone", {"masked": 0.7, "supervised": 0.6})])
    assert one.extent == ("1 sweep", "1 data set", "1 pair of data set and task")
