"""A claim is judged by the paired difference of its two sides, each by the protocol that is named or chosen."""

from dataclasses import replace

import pytest

from sslbench.claim import Claim
from sslbench.leaderboard.board import JudgedClaim, JudgedPart
from sslbench.leaderboard.report.page import render_html
from sslbench.leaderboard.text import render_markdown
from tests.sslbench.leaderboard.fake_sweep import ARMS, MAE, RANDOM_INIT, SUPERVISED, fake_sweep


def asked(better: dict[str, str], than: dict[str, str]) -> Claim:
    part = {"says": "the one beats the other", "better": better, "than": than}
    return Claim.model_validate({"text": "A claim.", "source": "a paper", "parts": [part]})


def judged(claim: Claim, arms=ARMS, *, donors=("p4",)) -> JudgedClaim:
    sweep = fake_sweep(arms, donors=donors)
    board = replace(sweep, facts=replace(sweep.facts, claim=claim)).ranked()
    assert board.claim is not None
    return board.claim


def only(claim: JudgedClaim) -> JudgedPart:
    (part,) = claim.parts
    return part


@pytest.mark.parametrize("donors", [("p4",), ("p4", "p5", "p6")])
def test_two_arms_are_compared_as_in_the_ranking(donors):
    sweep = fake_sweep(donors=donors)
    part = only(judged(asked({"arm": "mae"}, {"arm": "supervised"}), donors=donors))
    board = sweep.ranked()
    assert board.reference == "supervised"
    row = board.row("mae")
    assert row is not None
    assert part.difference == row.difference
    assert part.better == f"mae by {row.protocol}"


@pytest.mark.parametrize(
    ("better", "than", "outcome", "sentence"),
    [
        ("mae", "random_init", "holds", "The claim holds"),
        ("random_init", "mae", "reversed", "The claim is reversed"),
        ("twin", "mae", "undecided", "The claim is not decided"),
    ],
)
def test_a_claim_holds_is_reversed_or_is_not_decided(better, than, outcome, sentence):
    twin = replace(MAE, name="twin", accuracy=MAE.accuracy + 0.001)
    claim = judged(asked({"arm": better}, {"arm": than}), (*ARMS, twin))
    part = only(claim)
    assert part.outcome == outcome
    assert part.difference is not None
    assert claim.sentence.startswith(sentence)


def test_two_protocols_of_one_arm_are_compared_on_the_same_cells():
    part = only(judged(asked({"arm": "mae", "by": "knn"}, {"arm": "mae", "by": "linear_probe"})))
    row = fake_sweep().ranked().row("mae")
    assert row is not None
    assert part.difference is not None
    by = row.test_by_protocol
    assert part.difference.mean == pytest.approx(by["knn"] - by["linear_probe"], abs=1e-12)
    assert part.difference.low < part.difference.mean < part.difference.high


def test_only_seeds_that_both_have_are_compared():
    short = replace(SUPERVISED, seeds=(101, 103, 105))
    whole = only(judged(asked({"arm": "mae"}, {"arm": "supervised"})))
    part = only(judged(asked({"arm": "mae"}, {"arm": "supervised"}), (MAE, short, RANDOM_INIT)))
    assert part.difference is not None
    assert part.difference != whole.difference
    other = replace(SUPERVISED, seeds=(201, 202))
    none = only(judged(asked({"arm": "mae"}, {"arm": "supervised"}), (MAE, other, RANDOM_INIT)))
    assert (none.outcome, none.difference) == ("not judged", None)
    assert "common seed" in none.why


@pytest.mark.parametrize("missing", [{"arm": "byol"}, {"arm": "mae", "by": "head"}])
def test_a_side_without_scores_is_a_hole_with_its_reason(missing):
    claim = judged(asked({"arm": "mae"}, missing))
    part = only(claim)
    assert (part.outcome, part.difference) == ("not judged", None)
    assert missing["arm"] in part.why
    assert claim.sentence.startswith("The claim could not be judged")


def test_several_comparisons_are_counted():
    parts = [
        {"says": "first", "better": {"arm": "mae"}, "than": {"arm": "random_init"}},
        {"says": "second", "better": {"arm": "random_init"}, "than": {"arm": "mae"}},
    ]
    claim = Claim.model_validate({"text": "A claim.", "source": "a paper", "parts": parts})
    sentence = judged(claim).sentence
    assert "Of the claim's 2 comparisons, 1 holds, 1 reversed" in sentence


def test_the_page_and_the_markdown_show_the_claim_first_and_escape_it():
    hostile = "<img src=x onerror=alert(1)> wins"
    claim = asked({"arm": "mae"}, {"arm": "random_init"}).model_copy(update={"text": hostile})
    sweep = fake_sweep()
    sweep = replace(sweep, facts=replace(sweep.facts, claim=claim))
    board = sweep.ranked()
    page = render_html(board, sweep.records, sweep.predictions, sweep.facts)
    assert page.index("The claim") < page.index("<h2>Leaderboard")
    assert "<img" not in page
    assert "The claim holds" in page
    text = render_markdown(board, sweep.facts)
    assert "The claim holds" in text
    assert "<img" not in text
