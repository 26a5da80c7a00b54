import time

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import f1_score

from sslbench.leaderboard import statistics
from sslbench.leaderboard.intervals import (
    ArmScores,
    bootstrap_difference,
    bootstrap_interval,
    t_difference,
    t_interval,
    with_seeds_resampled,
)
from sslbench.leaderboard.statistics import (
    cell_scores,
    class_f1,
    donor_scores,
    macro_f1,
    seed_scores,
)
from sslbench.metrics import classification

SIZES = np.array([30, 20, 12, 5])
TRUTH = np.repeat(np.arange(4), SIZES)


def guesses(seed: int, *, n_seeds: int = 3, accuracy: float = 0.7) -> np.ndarray:
    """Predictions (n_seeds, n_cells) that are right with probability `accuracy`; 4 is a label no cell has."""
    generator = np.random.default_rng(seed)
    right = generator.random((n_seeds, len(TRUTH))) < accuracy
    return np.where(right, TRUTH, generator.integers(0, 5, right.shape))


def sklearn_macro_f1(truth: np.ndarray, predicted: np.ndarray) -> float:
    return float(
        f1_score(truth, predicted, labels=np.unique(truth), average="macro", zero_division=0.0)
    )


def test_macro_f1_is_that_of_scikit_learn_over_the_labels_that_occur() -> None:
    for predicted in guesses(0, n_seeds=20):
        assert macro_f1(TRUTH, predicted) == pytest.approx(sklearn_macro_f1(TRUTH, predicted))


def test_macro_f1_is_that_of_the_recorded_scores() -> None:
    """Two definitions would give a mean that its own interval does not belong to."""
    truth = np.concatenate([TRUTH, [-1, -1]])
    for predicted in guesses(20, n_seeds=20):
        predicted = np.concatenate([predicted, [2, 4]])
        recorded = classification.macro_f1(truth=truth, predicted=predicted, n_labels=6)
        assert macro_f1(truth, predicted) == pytest.approx(recorded, abs=1e-12)


def test_macro_f1_of_a_case_done_by_hand() -> None:
    truth, predicted = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 2])
    # label 0: 1 hit of 2 true and 1 guessed → 2/3; label 1: 1 hit of 2 and 2 → 1/2; label 2 has no true cell
    assert macro_f1(truth, predicted) == pytest.approx((2 / 3 + 1 / 2) / 2)


def test_cells_without_a_label_do_not_count() -> None:
    predicted = guesses(1)[0]
    more = np.concatenate([TRUTH, [-1, -1]])
    assert macro_f1(more, np.concatenate([predicted, [0, 3]])) == macro_f1(TRUTH, predicted)


def test_macro_f1_without_labelled_cells_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one labelled cell"):
        macro_f1(np.array([-1, -1]), np.array([0, 1]))


def test_a_label_without_true_cells_has_no_f1() -> None:
    f1 = class_f1(np.array([0, 0, 2]), np.array([0, 1, 2]), n_labels=4)
    np.testing.assert_allclose(f1, [2 / 3, np.nan, 1.0, np.nan])


def test_resampled_macro_f1_is_that_of_the_repeated_cells() -> None:
    predictions = [guesses(2), guesses(3, n_seeds=2)]
    weights = next(statistics._resampled_cells(TRUTH)).astype(int)
    resampled = statistics._resampled_seed_scores(TRUTH, predictions)
    for i in range(25):
        drawn = np.repeat(np.arange(len(TRUTH)), weights[i])
        for arm, by_seed in zip(predictions, resampled):
            slow = [sklearn_macro_f1(TRUTH[drawn], one_seed[drawn]) for one_seed in arm]
            np.testing.assert_allclose(by_seed[i], slow, rtol=1e-5)


def test_every_resample_keeps_the_number_of_cells_of_each_label() -> None:
    (weights,) = statistics._resampled_cells(TRUTH)
    assert weights.shape == (statistics.N_RESAMPLES, len(TRUTH))
    for label, size in enumerate(SIZES):
        assert (weights[:, label == TRUTH].sum(axis=1) == size).all()


def test_many_cells_are_resampled_in_chunks_that_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "_CHUNK_CELLS", 700 * len(TRUTH))
    chunks = [len(weights) for weights in statistics._resampled_cells(TRUTH)]
    assert chunks == [700, 700, 600]
    (scores,) = cell_scores(TRUTH, [guesses(4)])
    assert len(scores.per_unit) == statistics.N_RESAMPLES


def test_identical_predictions_differ_by_exactly_nothing() -> None:
    first, second = cell_scores(TRUTH, [guesses(5), guesses(5)])
    difference = bootstrap_difference(first, second)
    assert (difference.mean, difference.low, difference.high) == (0.0, 0.0, 0.0)
    assert difference.spans_zero


def test_pairing_on_the_same_cells_narrows_the_difference() -> None:
    """Two arms that err on the same cells, one on two more: unpaired, the difference would drown."""
    worse = guesses(6).copy()
    better = worse.copy()
    wrong = np.flatnonzero((worse != TRUTH).all(axis=0))[:2]
    better[:, wrong] = TRUTH[wrong]
    first, second = cell_scores(TRUTH, [better, worse])
    paired = bootstrap_difference(first, second)
    shuffled = np.random.default_rng(0).permutation(second.per_unit)
    unpaired = bootstrap_difference(first, ArmScores(mean=second.mean, per_unit=shuffled))
    assert (paired.high - paired.low) < 0.7 * (unpaired.high - unpaired.low)


def test_the_score_and_interval_of_an_arm_do_not_depend_on_the_other_arms() -> None:
    alone = cell_scores(TRUTH, [guesses(7)])[0]
    among = cell_scores(TRUTH, [guesses(8, n_seeds=5), guesses(7), guesses(9)])[1]
    assert alone.mean == among.mean
    np.testing.assert_array_equal(alone.per_unit, among.per_unit)


def test_seeds_are_paired_by_their_number_whichever_were_lost() -> None:
    """Luck of the seed alone: it has to cancel for the seeds that both arms have, and only for those."""
    luck = {1: True, 2: False, 3: True, 4: False, 5: True}

    def predictions(*seeds: int) -> np.ndarray:
        return np.array([TRUTH if luck[s] else np.full_like(TRUTH, 9) for s in seeds])

    def spread(first: tuple[int, ...], second: tuple[int, ...]) -> float:
        arms = cell_scores(
            TRUTH, [predictions(*first), predictions(*second)], seeds=[first, second]
        )
        return float((arms[0].per_unit - arms[1].per_unit).std())

    def part(seeds: tuple[int, ...], seed: int) -> float:
        """What a unit of a seed's luck moves the mean of an arm by."""
        n, mean = len(seeds), np.mean([luck[s] for s in seeds])
        return float((luck[seed] - mean) / np.sqrt(n * (n - 1))) if seed in seeds else 0.0

    for first, second in [((1, 2, 3, 4), (2, 3, 4, 5)), ((1, 2, 3), (3, 4, 5)), ((1, 2), (3, 4))]:
        expected = sum((part(first, s) - part(second, s)) ** 2 for s in luck) ** 0.5
        assert spread(first, second) == pytest.approx(expected, rel=0.05)
    assert spread((4, 2, 1), (1, 2, 4)) == pytest.approx(0.0, abs=1e-12)


def test_without_numbers_seeds_are_paired_by_position() -> None:
    arms = cell_scores(TRUTH, [guesses(5), guesses(6)])
    numbered = cell_scores(TRUTH, [guesses(5), guesses(6)], seeds=[range(3), range(3)])
    for one, other in zip(arms, numbered):
        np.testing.assert_array_equal(one.per_unit, other.per_unit)


def test_unlabelled_cells_change_no_interval() -> None:
    more_truth = np.concatenate([[-1], TRUTH, [-1]])
    more = np.pad(guesses(10), ((0, 0), (1, 1)))
    with_them, without = cell_scores(more_truth, [more])[0], cell_scores(TRUTH, [guesses(10)])[0]
    np.testing.assert_array_equal(with_them.per_unit, without.per_unit)


def test_seeds_spread_the_resampled_mean_as_their_standard_error_says() -> None:
    """Seeds that are all right or all wrong leave no noise from cells: what remains is that of the seeds."""
    scores = np.array([1.0, 1.0, 0.0, 1.0, 0.0])
    predicted = np.array([TRUTH if right else np.full_like(TRUTH, 9) for right in scores])
    (arm,) = cell_scores(TRUTH, [predicted])
    assert arm.mean == pytest.approx(0.6)
    expected = scores.std(ddof=1) / np.sqrt(len(scores))
    assert arm.per_unit.std() == pytest.approx(expected, rel=0.05)


def test_what_cells_add_to_the_spread_of_seeds_within_a_resample_does_not_count_twice() -> None:
    generator = np.random.default_rng(17)
    by_seed = np.array([0.8, 0.82, 0.79, 0.81]) + generator.normal(0, 0.05, (20_000, 4))
    drawn = with_seeds_resampled(by_seed)
    expected = by_seed.mean(axis=1).var() + by_seed.mean(axis=0).var(ddof=1) / 4
    assert drawn.var() == pytest.approx(expected, rel=0.05)
    assert drawn.mean() == pytest.approx(by_seed.mean(), abs=0.001)


def test_one_seed_leaves_the_noise_of_the_cells_alone() -> None:
    predicted = guesses(11, n_seeds=1)
    (arm,) = cell_scores(TRUTH, [predicted])
    (by_seed,) = statistics._resampled_seed_scores(TRUTH, [predicted])
    np.testing.assert_array_equal(arm.per_unit, by_seed[:, 0])


def test_the_interval_holds_the_mean_and_stays_in_its_range() -> None:
    for accuracy in (0.2, 0.7, 0.99):
        (scores,) = cell_scores(TRUTH, [guesses(12, accuracy=accuracy)])
        interval = bootstrap_interval(scores).within(0, 1)
        assert 0.0 <= interval.low <= interval.mean <= interval.high <= 1.0


def test_donor_scores_are_macro_f1_within_each_donor_averaged_over_seeds() -> None:
    donor = np.array(["b", "a", "c"])[np.arange(len(TRUTH)) % 3]
    predicted = guesses(13)
    (arm,) = donor_scores(TRUTH, [predicted], donor=donor)
    slow = [
        np.mean([sklearn_macro_f1(TRUTH[donor == d], p[donor == d]) for p in predicted])
        for d in ("a", "b", "c")
    ]
    np.testing.assert_allclose(arm.per_unit, slow)
    assert arm.mean == pytest.approx(np.mean(slow))


def test_a_donor_without_labelled_cells_does_not_count() -> None:
    donor = np.where(np.arange(len(TRUTH)) % 2 == 0, "a", "b")
    truth = np.where(donor == "a", TRUTH, -1)
    (arm,) = donor_scores(truth, [guesses(14)], donor=donor)
    assert len(arm.per_unit) == 1


def test_t_intervals_are_those_of_the_t_tests_of_scipy() -> None:
    generator = np.random.default_rng(15)
    first, second = generator.uniform(0.5, 0.8, 7), generator.uniform(0.5, 0.8, 7)
    arms = [ArmScores(mean=float(v.mean()), per_unit=v) for v in (first, second)]
    one = stats.ttest_1samp(first, 0.0).confidence_interval(0.95)
    interval = t_interval(arms[0])
    assert (interval.low, interval.high) == pytest.approx((one.low, one.high))
    paired = stats.ttest_rel(first, second).confidence_interval(0.95)
    difference = t_difference(arms[0], arms[1])
    assert (difference.low, difference.high) == pytest.approx((paired.low, paired.high))


def test_four_arms_of_five_seeds_on_four_hundred_cells_take_less_than_two_seconds() -> None:
    truth = np.repeat(np.arange(8), 50)
    generator = np.random.default_rng(16)
    arms = [generator.integers(0, 8, (5, 400)) for _ in range(4)]
    started = time.process_time()
    cell_scores(truth, arms)
    assert time.process_time() - started < 2.0


@pytest.mark.slow
@pytest.mark.parametrize("n_seeds", [3, 5])
def test_intervals_cover_the_truth_about_as_often_as_they_say(
    n_seeds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """New cells and new seeds, many times: 95 % intervals of mean and difference hold the truth in 91 to 100 %."""
    monkeypatch.setattr(statistics, "N_RESAMPLES", 400)
    generator = np.random.default_rng(17)
    sizes = np.array([120, 80, 60, 50, 40, 25, 15, 10])
    truth = np.repeat(np.arange(8), sizes)

    def accuracies(base: float) -> np.ndarray:
        return np.clip(np.linspace(0.95, 0.6, 8) + base + generator.normal(0, 0.02), 0, 1)

    def drawn(base: float, luck: np.ndarray) -> np.ndarray:
        own = generator.random((n_seeds, len(truth)))
        hard = np.where(generator.random(own.shape) < 0.7, luck, own)  # cells hard for every seed
        right = hard < np.array([accuracies(base)[truth] for _ in range(n_seeds)])
        return np.where(right, truth, generator.integers(0, 8, right.shape))

    def expected(base: float) -> float:
        means = []
        for _ in range(500):
            p = accuracies(base)
            confusion = np.diag(p * sizes) + ((1 - p) * sizes)[:, None] / 8
            means.append((2 * np.diag(confusion) / (confusion.sum(axis=0) + sizes)).mean())
        return float(np.mean(means))

    truths, covered = (expected(0.0), expected(-0.03)), np.zeros(2)
    n_repeats = 300
    for _ in range(n_repeats):
        luck = generator.random(len(truth))
        arm, other = cell_scores(truth, [drawn(0.0, luck), drawn(-0.03, luck)])
        mean, difference = bootstrap_interval(arm), bootstrap_difference(arm, other)
        covered += [
            mean.low <= truths[0] <= mean.high,
            difference.low <= truths[0] - truths[1] <= difference.high,
        ]
    assert (covered / n_repeats >= 0.91).all()


def test_seed_scores_score_each_seed_by_itself() -> None:
    predicted = guesses(18)
    assert seed_scores(TRUTH, predicted).tolist() == [macro_f1(TRUTH, p) for p in predicted]
