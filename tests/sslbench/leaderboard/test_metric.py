from sslbench.leaderboard.metric import MACRO_F1, Measure, ranked_metric
from sslbench.registry import EVALUATIONS
from sslbench.results import MetricKey


def test_every_metric_that_ranks_a_task_has_words_of_its_own() -> None:
    unnamed = set()
    for task in EVALUATIONS.names():
        metrics = EVALUATIONS.constant(task, "metrics")
        first = next(iter(metrics))
        assert metrics[first] == "max"
        if ranked_metric(first).high != 1:
            unnamed.add(first)
    assert unnamed == set()


def test_a_metric_outside_the_vocabulary_is_called_by_its_name() -> None:
    metric = ranked_metric("gene_set_overlap")
    assert (metric.words, metric.of_labels) == ("gene set overlap", False)


def test_the_names_of_a_measure_end_in_its_share_of_the_labels() -> None:
    measure = Measure(
        metric=ranked_metric(MACRO_F1), suffix="_at_5", of_units=frozenset({"calibration"})
    )
    assert measure.key("test", "knn") == "test/knn/macro_f1_at_5"
    assert measure.predictions("knn") == "predicted_at_5/knn"
    assert measure.units("calibration") == "calibration_at_5"
    assert measure.units("knn") is None
    assert measure.task_of(MetricKey.parse("val/knn/macro_f1_at_5")) == "knn"
    assert measure.task_of(MetricKey.parse("val/knn/macro_f1")) is None
