"""Sweep files: what can be asked, and one clear error with its line for everything that cannot."""

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from sslbench.errors import ConfigError
from sslbench.search.spec import describe_space, load_sweep, plan_line

LINES = """\
question: Does it help?
dataset: {name: pbmc_cite}
objective: {metric: val/knn/macro_f1}
budget: {trials: 6, confirm_seeds: 2}
training:
  max_updates: 20
evaluation:
  - {name: knn, k: 3}
  - {name: head}
arms:
  mae:
    pretext: {name: masked}
    encoder: {name: mlp}
    training: {patience: 2}
    search:
      pretext/mask: {choice: [random, none]}
      pretext/mask_rate:
        float: [0.1, 0.9]
        when: {pretext/mask: [random]}
      training/learning_rate: {log_float: [1e-4, 1e-2]}
  supervised:
    pretext: {name: supervised}
    encoder: {name: mlp}
    objective: val/head/macro_f1
  pca:
    pretext: {name: pca}
    encoder: {name: linear}
    search:
      encoder/embedding_dim: {choice: [4, 8]}
"""


def written(tmp_path, text=LINES, **replaced):
    for old, new in replaced.items():
        text = text.replace(old, new)
    path = tmp_path / "sweep.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def changed(tmp_path, old, new):
    assert LINES.count(old) == 1, f"{old!r} stands {LINES.count(old)} times"
    return written(tmp_path, LINES.replace(old, new))


def spec(tmp_path, *overrides):
    return load_sweep(written(tmp_path), overrides=overrides)


def test_a_sweep_file_is_read_with_its_defaults(tmp_path):
    found = spec(tmp_path)
    assert list(found.arms) == ["mae", "supervised", "pca"]
    assert found.halving.reduction_factor == 3
    assert found.resources.max_concurrent == "auto"


# What cannot be run: (the text replaced, by what, the line of the error, words of it)

BAD = {
    "unknown key at the top": ("question:", "qestion: x\nquestion:", 1, "qestion.*'question'"),
    "unknown key in the budget": ("trials: 6", "trails: 6", 4, "budget/trails.*'trials'"),
    "unknown key in the data set": ("name: pbmc_cite", "name: x, hvg: 1", 2, "dataset/hvg"),
    "unknown key of an arm": (
        "    objective: val/head",
        "    objetive: val/head",
        24,
        "'objective'",
    ),
    "unknown option of a pretext task": (
        "{name: masked}",
        "{name: masked, maskrate: 0.5}",
        12,
        "maskrate.*'mask_rate'",
    ),
    "unknown option of an encoder": ("{name: linear}", "{name: linear, width: 3}", 27, "width"),
    "unknown option of an evaluation": ("k: 3", "kk: 3", 8, "evaluation/0/kk.*'k'"),
    "unknown training option": ("max_updates: 20", "max_update: 20", 6, "'max_updates'"),
    "unknown training option of an arm": ("patience: 2", "patiense: 2", 14, "'patience'"),
    "unknown kind of parameter": ("float: [0.1, 0.9]", "flaot: [0.1, 0.9]", 18, "'float'"),
    "unknown searched option": (
        "pretext/mask_rate:",
        "pretext/maskrate:",
        17,
        "maskrate.*'mask_rate'",
    ),
    "illegal between its ends": ("encoder: {name: linear}\n    search:\n      encoder/embedding_dim: {choice: [4, 8]}",
        "encoder: {name: transformer}\n    search:\n      encoder/width: {int: [32, 64]}", 29, "multiple of heads.*"),
    "unknown searched part": ("training/learning_rate", "trainer/learning_rate", 20, "part/option"),
    "searched name": ("pretext/mask: {choice: [random, none]}", "pretext/name: {choice: [masked]}\n"
        "      pretext/mask: {choice: [random, none]}", 16, "no option 'name'"),
    "unknown pretext task": ("{name: masked}", "{name: maskd}", 12, "'maskd'.*'masked'"),
    "unknown encoder": ("{name: linear}", "{name: linaer}", 27, "'linaer'.*'linear'"),
    "unknown mask in a choice": ("[random, none]", "[random, nome]", 16, "'nome'.*'none'"),
    "unknown mask": ("{name: masked}", "{name: masked, mask: randm}", 12, "'randm'.*'random'"),
    "unknown evaluation": ("{name: knn, k: 3}", "{name: knnn}", 8, "'knnn'.*'knn'"),
    "component without a name": ("{name: linear}", "{embedding_dim: 3}", 27, "needs a name"),
    "component that is a word": ("encoder: {name: linear}", "encoder: linear", 27, "dictionary"),
    "mask rate of 1.5": ("[0.1, 0.9]", "[0.1, 1.5]", 17, "mask_rate.*less than 1"),
    "mask rate of 0": ("[0.1, 0.9]", "[0.0, 0.9]", 17, "mask_rate.*greater than 0"),
    "mask rate of 1": ("[0.1, 0.9]", "[0.1, 1.0]", 17, "mask_rate.*less than 1"),
    "mask rate in percent": ("[0.1, 0.9]", '["10%", "90%"]', 18, "mask_rate.*number"),
    "mask rate fixed in percent": ("{name: masked}", '{name: masked, mask_rate: "50%"}', 12, "50%"),
    "mask rate NaN": ("{name: masked}", "{name: masked, mask_rate: .nan}", 12, "finite"),
    "range with NaN": ("[0.1, 0.9]", "[.nan, 0.9]", 18, "finite"),
    "range without end": ("[0.1, 0.9]", "[0.1, .inf]", 18, "finite"),
    "low above high": ("[0.1, 0.9]", "[0.9, 0.1]", 17, "low < high"),
    "logarithm of 0": ("[1e-4, 1e-2]", "[0, 1e-2]", 20, "low > 0"),
    "no choices": ("[4, 8]", "[]", 29, "at least 1"),
    "a choice twice": ("[4, 8]", "[4, 4]", 29, "twice"),
    "a kind twice": ("{choice: [4, 8]}", "{choice: [4], int: [4, 8]}", 29, "exactly one"),
    "an illegal choice": ("[4, 8]", "[4, 0]", 29, "embedding_dim"),
    "a learning rate too large": ("[1e-4, 1e-2]", "[1e-4, 100.0]", 20, "learning_rate"),
    "rate for a mask without one": ("        when: {pretext/mask: [random]}\n", "", 16, "no mask_rate"),
    "condition below": ("pretext/mask: [random]", "training/learning_rate: [1]", 19, "not searched above"),
    "condition never met": ("pretext/mask: [random]", "pretext/mask: [randm]", 19, "never be 'randm'"),
    "empty condition": ("pretext/mask: [random]", "pretext/mask: []", 19, "at least 1"),
    "test score as objective": ("metric: val/knn", "metric: test/knn", 3, "validation.*val/knn/macro_f1"),
    "training score as objective": ("metric: val/knn", "metric: train/knn", 3, "validation"),
    "test score as an arm's objective": ("val/head/macro_f1", "test/head/macro_f1", 24, "validation"),
    "objective that is no key": ("val/knn/macro_f1", "macro_f1", 3, "split/task/metric"),
    "objective of an unknown task": ("val/knn/macro_f1", "val/knm/macro_f1", 3, "'knm'.*'knn'"),
    "objective that is not evaluated": ("val/knn/macro_f1", "val/linear_probe/macro_f1", 3, "linear_probe"),
    "unknown metric": ("val/knn/macro_f1", "val/knn/makro_f1", 3, "makro_f1.*'macro_f1'"),
    "unknown metric of an arm": ("val/head/macro_f1", "val/head/f1", 24, "'f1'"),
    "classifier's score without one": ("val/knn/macro_f1", "val/head/macro_f1", 3, "'mae'.*classifier"),
    "objective to minimise": ("macro_f1}", "macro_f1, mode: min}", 3, "mode"),
    "evaluation twice": ("  - {name: head}", "  - {name: head}\n  - {name: knn, k: 9}", 10, "twice"),
    "evaluation twice of the projector": ("  - {name: head}", "  - {name: knn, of: projector}\n  - {name: knn, of: projector, k: 9}", 10, "'knn_projector' is listed twice"),
    "evaluation of what there is not": ("k: 3", "of: decoder", 8, "'encoder' or 'projector'"),
    "a projector's score that is not evaluated": ("val/knn/macro_f1", "val/knn_projector/macro_f1", 3, "knn_projector.*{name: knn, of: projector}"),
    "a projector's score of a task that has none": ("val/head/macro_f1", "val/head_projector/macro_f1", 24, "'head' scores no projector"),
    "a projector's score of an unknown task": ("val/knn/macro_f1", "val/knm_projector/macro_f1", 3, "'knm'.*'knn'"),
    "no evaluation": ("evaluation:\n  - {name: knn, k: 3}\n  - {name: head}", "evaluation: []", 7, "at least 1"),
    "no trials": ("trials: 6", "trials: 0", 4, "budget/trials"),
    "half a trial": ("trials: 6", "trials: 2.5", 4, "budget/trials"),
    "negative seeds": ("confirm_seeds: 2", "confirm_seeds: -1", 4, "budget/confirm_seeds"),
    "concurrency in words": ("training:\n  max", "resources: {max_concurrent: lots}\ntraining:\n  max", 5, "resources/max_concurrent:"),
    "arm's name": ("  pca:\n", "  ../pca:\n", 25, "letters, digits and _"),
    "very long arm's name": ("  pca:\n", f"  {'p' * 41}:\n", 25, "at most 40"),
    "arm twice": ("  pca:\n", "  mae:\n", 25, "'mae' stands twice"),
    "the embedding of a classifier that has none": (
        "{name: pca}",
        "{name: logistic_regression}",
        3,
        "logistic_regression has none of its own",
    ),
    "a control is no supervised arm": (
        "{name: supervised}",
        "{name: majority}",
        10,
        "needs a supervised arm",
    ),
    "no supervised arm": ("{name: supervised}", "{name: random_init}", 24, "classifier|supervised"),
    "anchor": ("{name: linear}", "&x {name: linear}", 27, "anchors"),
    "python tag": ("pbmc_cite", "!!python/object/apply:os.system [ls]", 2, "tag"),
    "tab": ("    pretext: {name: pca}", "\tpretext: {name: pca}", 26, "YAML"),
    "text for a seed": ("question:", "seed: no\nquestion:", 1, "seed"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_run_is_one_error_with_its_line(tmp_path, case):
    old, new, line, words = BAD[case]
    started = time.process_time()
    with pytest.raises(ConfigError) as caught:
        load_sweep(changed(tmp_path, old, new))
    assert time.process_time() - started < 2
    error = caught.value
    assert error.exit_code == 2
    assert re.search(rf"sweep\.yaml, line {line}$", error.where or ""), str(error)
    assert re.search(words, f"{error.what} {error.found} {error.fix}", re.DOTALL), str(error)
    assert len(str(error).splitlines()) <= 8


def test_a_sweep_without_a_supervised_arm_is_refused_at_its_arms(tmp_path):
    plain = yaml.safe_load(LINES)
    del plain["arms"]["supervised"]
    path = written(tmp_path, yaml.safe_dump(plain, sort_keys=False))
    with pytest.raises(ConfigError, match="needs a supervised arm") as caught:
        load_sweep(path)
    assert re.search(r"line \d+$", caught.value.where or "")


@pytest.mark.parametrize("key", ["question", "dataset", "evaluation", "arms"])
def test_a_missing_part_is_named(tmp_path, key):
    plain = yaml.safe_load(LINES)
    del plain[key]
    with pytest.raises(ConfigError, match=f"'{key}' is missing"):
        load_sweep(written(tmp_path, yaml.safe_dump(plain)))


def test_every_error_comes_without_importing_torch_and_within_two_seconds(tmp_path):
    code = (
        "import sys, time, pathlib; started = time.process_time()\n"
        "from sslbench.search.spec import load_sweep\n"
        "from sslbench.errors import ConfigError\n"
        "for path in sorted(pathlib.Path(sys.argv[1]).glob('*.yaml')):\n"
        "    try: load_sweep(path); sys.exit(f'{path} was accepted')\n"
        "    except ConfigError: pass\n"
        "heavy = {'torch', 'ray', 'optuna', 'mlflow', 'pandas', 'scanpy', 'anndata', 'sklearn'}\n"
        "print(sorted(heavy & set(sys.modules)), time.process_time() - started < 2 + 0.1 * len(sys.argv))\n"
    )
    for i, (old, new, *_) in enumerate(BAD.values()):
        (tmp_path / f"{i}.yaml").write_text(LINES.replace(old, new), encoding="utf-8")
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("[] True", "")


# Scores of the projector


def with_projector(objective, *, arm="{name: byol}"):
    """The same sweep, whose first arm has a projector and chooses by `objective`."""
    return LINES.replace(
        "- {name: head}", "- {name: head}\n  - {name: knn, of: projector}"
    ).replace(
        """    pretext: {name: masked}
    encoder: {name: mlp}
    training: {patience: 2}
    search:
      pretext/mask: {choice: [random, none]}
      pretext/mask_rate:
        float: [0.1, 0.9]
        when: {pretext/mask: [random]}
""",
        f"    pretext: {arm}\n    encoder: {{name: mlp}}\n    objective: {objective}\n    search:\n",
    )


def test_an_arm_with_a_projector_may_choose_by_its_score(tmp_path):
    found = load_sweep(written(tmp_path, with_projector("val/knn_projector/macro_f1")))
    config = found.config("mae", {}, seed=0)
    assert config.objective == "val/knn_projector/macro_f1"
    assert [e.options.get("of") for e in config.evaluation] == ["encoder", None, "projector"]


def test_an_arm_without_a_projector_may_not(tmp_path):
    text = with_projector("val/knn_projector/macro_f1", arm="{name: masked}")
    with pytest.raises(ConfigError, match="'mae' scores a projector's output") as caught:
        load_sweep(written(tmp_path, text))
    assert caught.value.fix.startswith("choose by val/knn/macro_f1")
    assert re.search(r"line 15$", caught.value.where)


def test_a_metric_that_a_projectors_score_lacks_is_named(tmp_path):
    with pytest.raises(ConfigError, match="'knn' has no metric 'f1'"):
        load_sweep(written(tmp_path, with_projector("val/knn_projector/f1")))


# Overrides


def test_overrides_are_put_in_before_the_checks(tmp_path):
    found = spec(
        tmp_path,
        "budget.trials=4",
        "training.minibatch_size=16",
        "arms.mae.search.pretext/mask_rate.float=[0.2, 0.3]",
        "seed=7",
        "arms.mae.training.learning_rate=1e-3",
    )
    assert found.budget.trials == 4
    assert found.training == {"max_updates": 20, "minibatch_size": 16}
    assert found.arms["mae"].search["pretext/mask_rate"].ends() == (0.2, 0.3)
    assert found.seed == 7
    assert found.config("mae", {}, seed=0).training.learning_rate == 1e-3


@pytest.mark.parametrize(
    "override, words",
    [
        ("budget.trials", "key.key=value"),
        ("=4", "key.key=value"),
        ("budget..trials=4", "key.key=value"),
        ("budget.trials=[", "YAML"),
        ("budget.trials=!!python/name:os.system", "tag"),
        ("budget.trails=4", "'trials'"),
        ("budget.trials=many", "budget/trials"),
        ("question.x=4", "no keys below"),
        ("evaluation.0.k=4", "no keys below"),
        ("objective.metric=test/knn/macro_f1", "validation"),
        ("arms.mae.pretext.name=maskd", "'masked'"),
        ("arms.mae.pretext.mask_rate=1.5", "less than 1"),
    ],
)
def test_an_override_that_cannot_be_run_is_named_itself(tmp_path, override, words):
    with pytest.raises(ConfigError) as caught:
        spec(tmp_path, override)
    error = caught.value
    assert words in f"{error.what} {error.found} {error.fix}"
    assert override in str(error)
    assert "line" not in (error.where or "").replace("-o", "") or "line 1" in str(error.where)


# From a space to configurations


def test_searched_params_are_put_over_what_the_arm_fixes(tmp_path):
    params = {"pretext/mask": "random", "pretext/mask_rate": 0.3, "training/learning_rate": 0.002}
    config = spec(tmp_path).config("mae", params, seed=11)
    assert config.pretext.options["mask_rate"] == 0.3
    assert config.training.learning_rate == 0.002
    assert (config.training.max_updates, config.training.patience) == (20, 2)
    assert (config.seed, config.objective) == (11, "val/knn/macro_f1")


def test_an_arm_may_have_its_own_objective(tmp_path):
    assert spec(tmp_path).config("supervised", {}, seed=0).objective == "val/head/macro_f1"


def test_making_a_configuration_leaves_the_question_as_it_was(tmp_path):
    found = spec(tmp_path)
    before = found.model_dump_json()
    found.config("pca", {"encoder/embedding_dim": 8}, seed=1)
    assert found.model_dump_json() == before


def test_every_arm_gets_the_budget_or_its_whole_space(tmp_path):
    found = spec(tmp_path)
    per_arm = {name: arm.n_trials(found.budget) for name, arm in found.arms.items()}
    assert per_arm == {"mae": 6, "supervised": 1, "pca": 2}
    assert found.n_search_trials() == 9


def test_the_plan_says_where_a_space_is_exhausted(tmp_path):
    line = plan_line(spec(tmp_path))
    assert "mae 6 ·" in line
    assert "pca 2 (all)" in line
    assert "2 fresh seeds" in line


def test_the_space_is_described_row_by_row(tmp_path):
    rows = describe_space(spec(tmp_path))
    assert ("pca", "encoder/embedding_dim", "choice [4, 8]") in rows
    assert [row[1:] for row in rows if row[0] == "supervised"] == [
        ("(nothing searched)", "one trial")
    ]


@pytest.mark.parametrize(
    "override", ["budget.trials=99", "resources.max_concurrent=1", "question=x"]
)
def test_budget_machine_and_wording_do_not_make_another_question(tmp_path, override):
    asked = spec(tmp_path).question_fingerprint("data")
    assert spec(tmp_path, override).question_fingerprint("data") == asked


@pytest.mark.parametrize("override", ["seed=1", "training.max_updates=21", "halving.first_rung=9"])
def test_whatever_changes_a_trial_makes_another_question(tmp_path, override):
    asked = spec(tmp_path).question_fingerprint("data")
    assert spec(tmp_path, override).question_fingerprint("data") != asked
    assert spec(tmp_path).question_fingerprint("other data") != asked


def test_a_question_comes_back_from_its_json_unchanged(tmp_path):
    found = spec(tmp_path)
    again = type(found).model_validate(found.model_dump(mode="json", by_alias=True))
    assert again == found


@pytest.mark.parametrize(
    "name", ["../../x", "../sweeps/mae_masking", "CON", "a b", "x" * 300, "", ".", "mae/masking"]
)
def test_a_sweeps_name_is_no_path(name):
    from sslbench.cli.places import sweep_file

    with pytest.raises(ConfigError, match="unknown sweep"):
        sweep_file(name)


@pytest.mark.parametrize("name", ["../../x.yaml", "sweeps/absent.yaml", "x" * 300 + ".yaml"])
def test_a_path_leads_to_a_file_that_exists_or_is_refused(name):
    from sslbench.cli.places import sweep_file

    with pytest.raises(ConfigError) as caught:
        load_sweep(Path(sweep_file(name)))
    assert caught.value.code in ("C002", "C052")


def test_the_most_updates_of_an_arm_are_those_it_may_search_and_none_without_gradients(tmp_path):
    spec = load_sweep(written(tmp_path))
    assert [spec.most_updates(arm) for arm in ("mae", "supervised", "pca")] == [20, 20, None]
    own = "    objective: val/head/macro_f1\n"
    longer = changed(tmp_path, own, own + "    training: {max_updates: 40}\n")
    assert load_sweep(longer).most_updates("supervised") == 40
    searched = own + "    search: {training/max_updates: {int: [10, 90]}}\n"
    assert load_sweep(changed(tmp_path, own, searched)).most_updates("supervised") == 90
