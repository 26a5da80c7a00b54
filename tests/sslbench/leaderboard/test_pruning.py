"""Does halving stop the right trials? Hand-made searches in which early ranks hold, and in which they turn round."""

from dataclasses import replace

import numpy as np
import pytest

from sslbench.leaderboard.pruning import MIN_SURVIVORS, check_pruning, pruning_notes, rank_agreement
from sslbench.leaderboard.ranking import rank_arms
from tests.sslbench.leaderboard.fake_sweep import MAE, SUPERVISED, fake_facts, fake_sweep, searched

RUNG = 100
EARLY = (0.50, 0.51, 0.52, 0.53, 0.54, 0.55, 0.56, 0.57)


def search(ends, *, stopped=(0.45, 0.46)):
    """Survivors that had EARLY at the rung and these scores in the end; stopped trials that had theirs."""
    kept = [
        searched("mae", i, {100: early, 200: end})
        for i, (early, end) in enumerate(zip(EARLY, ends, strict=True))
    ]
    lost = [searched("mae", 50 + i, {100: at}, outcome="stopped") for i, at in enumerate(stopped)]
    return [*kept, *lost]


REVERSED = (0.77, 0.76, 0.75, 0.74, 0.73, 0.72, 0.71, 0.70)
AGREED = (0.70, 0.71, 0.72, 0.73, 0.74, 0.75, 0.76, 0.77)


def facts():
    return replace(fake_facts([MAE]), first_rung=RUNG)


def test_reversed_ranks_with_stopped_trials_in_reach_warn():
    check = check_pruning(search(REVERSED, stopped=(0.50, 0.10)), "mae", first_rung=RUNG)
    assert check is not None
    assert check.order is not None
    assert check.order.mean == pytest.approx(-1.0)
    assert check.order.high < 0
    assert (
        check.n_within_reach == 1
    )  # 0.50 and the largest gain, 0.27, make 0.77; 0.10 does not get there
    assert check.largest_gain == pytest.approx(0.27)
    assert check.says_little
    (note,) = pruning_notes(search(REVERSED, stopped=(0.50, 0.10)), facts())
    assert note.startswith("mae: ranks after 100 updates say little about final ranks")
    assert "1 of 2 stopped trials could have ended in the better half" in note


def test_ranks_that_agree_do_not_warn_even_with_stopped_trials_in_reach():
    trials = search(AGREED, stopped=(0.569, 0.58))
    check = check_pruning(trials, "mae", first_rung=RUNG)
    assert check is not None
    assert check.order is not None
    assert check.order.mean == pytest.approx(1.0)
    assert 0.5 < check.order.low < 0.9  # eight trials do not prove a perfect order
    assert check.n_within_reach > 0
    assert not check.says_little
    assert pruning_notes(trials, facts()) == ()


def test_reversed_ranks_do_not_warn_if_all_stopped_trials_were_far_behind():
    check = check_pruning(search(REVERSED, stopped=(0.1, 0.2)), "mae", first_rung=RUNG)
    assert check is not None
    assert (check.n_near, check.n_within_reach) == (0, 0)
    assert not check.says_little


def test_a_stopped_trial_may_be_near_without_being_in_reach_of_the_best():
    check = check_pruning(search(REVERSED, stopped=(0.47, 0.46)), "mae", first_rung=RUNG)
    assert check is not None
    # The largest gain is 0.27: it lifts 0.47 above the median end, 0.735, and neither to 0.77.
    assert (check.n_near, check.n_within_reach) == (1, 0)
    assert check.says_little


def halved(random, *, gain, n=16):
    """A search whose trials start normally spread and gain exponentially; who is below the median so far is stopped."""
    seen, trials = [], []
    for i in range(n):
        early = float(random.normal())
        stops = bool(seen) and early < np.median(seen)
        seen.append(early)
        end = early + gain * float(random.exponential())
        curve = {RUNG: early} if stops else {RUNG: early, 2 * RUNG: end}
        trials.append(searched("mae", i, curve, outcome="stopped" if stops else "finished"))
    return trials


@pytest.mark.parametrize("gain, least, most", [(0.1, 0.0, 0.0), (0.5, 0.0, 0.15), (2.0, 0.3, 0.7)])
def test_the_warning_comes_as_gains_outgrow_the_spread_of_early_scores(gain, least, most):
    """At these gains halving loses the best trial in 0, 5 and 28 % of searches (simulated 400 times each)."""
    random = np.random.default_rng(0)
    checks = [check_pruning(halved(random, gain=gain), "mae", first_rung=RUNG) for _ in range(120)]
    warned = np.mean([check is not None and check.says_little for check in checks])
    assert least <= warned <= most


def test_a_trial_stopped_at_a_later_rung_had_less_time_left_to_gain():
    """Survivors gained 0.2 after 100 updates, but only 0.01 after 200."""
    kept = [searched("mae", i, {100: 0.5, 200: 0.69, 300: 0.70}) for i in range(8)]
    early = searched("mae", 50, {100: 0.55}, outcome="stopped")
    late = searched("mae", 51, {100: 0.50, 200: 0.65}, outcome="stopped")
    both = check_pruning([*kept, early, late], "mae", first_rung=RUNG)
    assert both is not None
    assert both.n_within_reach == 1
    assert check_pruning([*kept, late], "mae", first_rung=RUNG).n_within_reach == 0


def test_trials_that_ended_by_themselves_at_the_rung_or_failed_or_confirm_do_not_count():
    trials = search(AGREED)
    more = [
        searched("mae", 60, {50: 0.9}),
        searched("mae", 61, {100: 0.1}),
        searched("mae", 62, {100: 0.1, 200: 0.95}, outcome="failed"),
        searched("mae", 63, {100: 0.1, 200: 0.95}).model_copy(update={"stage": "confirm"}),
        searched("other", 64, {100: 0.1, 200: 0.95}),
    ]
    check, plain = (check_pruning(t, "mae", first_rung=RUNG) for t in ([*trials, *more], trials))
    assert check is not None
    assert plain is not None
    assert check.survivors == plain.survivors
    assert check.order == plain.order
    assert check.best == 0.9  # it finished, so it is what a stopped trial would have had to beat


def test_the_rung_is_the_first_report_at_or_after_it_and_the_best_so_far():
    trials = [searched("mae", i, {60: 0.6, 120: 0.5, 180: 0.7}) for i in range(2)]
    stopped = searched("mae", 9, {60: 0.2, 120: 0.1}, outcome="stopped")
    check = check_pruning([*trials, stopped], "mae", first_rung=RUNG)
    assert check is not None
    assert check.survivors == ((0.6, 0.7), (0.6, 0.7))
    assert check.stopped == ((0.2, 0.2),)


def test_too_few_survivors_have_no_rank_correlation():
    few = search(REVERSED)[: MIN_SURVIVORS - 1] + search(REVERSED)[-2:]
    check = check_pruning(few, "mae", first_rung=RUNG)
    assert check is not None
    assert check.order is None
    assert not check.says_little


def test_without_a_stopped_trial_or_a_survivor_there_is_nothing_to_check():
    assert check_pruning(search(REVERSED)[:8], "mae", first_rung=RUNG) is None
    assert check_pruning(search(REVERSED)[8:], "mae", first_rung=RUNG) is None


def test_the_warning_is_on_the_leaderboard_and_not_without_a_known_rung():
    sweep = fake_sweep([MAE, SUPERVISED])
    turned = [r.model_copy(update={"arm": "hybrid"}) for r in search(REVERSED, stopped=(0.50,))]
    arms = (*sweep.facts.arms, replace(sweep.facts.arms[0], name="hybrid"))
    for first_rung, n_notes in ((RUNG, 1), (None, 0)):
        of = replace(sweep.facts, first_rung=first_rung, arms=arms)
        notes = rank_arms([*sweep.records, *turned], sweep.predictions, of).notes
        assert sum("hybrid: ranks after 100" in note for note in notes) == n_notes


def slow_tau_b(x, y):
    """Kendall's tau-b, a pair after the other."""
    up = down = tied_x = tied_y = 0
    for i in range(len(x)):
        for j in range(i):
            a, b = np.sign(x[i] - x[j]), np.sign(y[i] - y[j])
            up, down = up + (a * b > 0), down + (a * b < 0)
            tied_x, tied_y = tied_x + (a == 0), tied_y + (b == 0)
    n_pairs = len(x) * (len(x) - 1) / 2
    return (up - down) / np.sqrt((n_pairs - tied_x) * (n_pairs - tied_y))


def test_the_rank_agreement_is_kendalls_tau():
    random = np.random.default_rng(0)
    x, y = random.integers(0, 6, 12), random.integers(0, 6, 12)
    found = rank_agreement(x.astype(float), y.astype(float))
    assert found is not None
    assert found.mean == pytest.approx(slow_tau_b(x, y))
    assert found.low < found.mean < found.high


@pytest.mark.parametrize("rho", [0.0, 0.5])
@pytest.mark.parametrize("n", [6, 12, 30])
def test_the_interval_holds_the_true_rank_agreement_about_as_often_as_it_says(rho, n):
    random, truth, n_hits = np.random.default_rng(n), 2 / np.pi * np.arcsin(rho), 0
    for _ in range(300):
        x = random.normal(size=n)
        found = rank_agreement(x, rho * x + np.sqrt(1 - rho**2) * random.normal(size=n))
        assert found is not None
        n_hits += found.low <= truth <= found.high
    assert 0.91 <= n_hits / 300 <= 0.99


def test_constant_scores_have_no_order_and_four_trials_no_interval():
    assert rank_agreement(np.ones(8), np.arange(8.0)) is None
    with pytest.raises(ValueError, match="at least 5 trials, got 4"):
        rank_agreement(np.arange(4.0), np.arange(4.0))
