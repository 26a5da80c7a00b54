"""Every wrong sweep file, option and name through the real command: one error, its code, nothing read, nothing written."""

from __future__ import annotations

import math
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

import sslbench.cli.cells
from sslbench.search.spec import load_sweep
from tests.sslbench.cli.typed import Typed, typed

PROJECT = Path(__file__).parents[3]
SMOKE = (PROJECT / "sweeps/smoke.yaml").read_text(encoding="utf-8")
SEARCH = "pretext/mask_rate: {float: [0.1, 0.9]}"
MASKED = "{name: masked, mask: random}"


class Bad(NamedTuple):
    """What is replaced in a good sweep file by what, and what the error must say."""

    old: str
    new: str
    says: str
    code: int = 2


BUDGET, TOP = "budget: {trials: 3, confirm_seeds: 2}", "dataset: {"
FILES = {
    "misspelt option": Bad(MASKED, "{name: masked, maskrate: 0.5}", "did you mean 'mask_rate'?"),
    "misspelt key": Bad("halving:", "halfing:", "did you mean 'halving'?"),
    "mask rate 1.5": Bad("[0.1, 0.9]", "[0.1, 1.5]", "mask_rate"),
    "mask rate 0": Bad("[0.1, 0.9]", "[0, 0.9]", "greater than 0"),
    "mask rate 1": Bad("[0.1, 0.9]", "[0.1, 1.0]", "less than 1"),
    "mask rate in percent": Bad(MASKED, '{name: masked, mask_rate: "50%"}', "50%"),
    "mask rate NaN": Bad(MASKED, "{name: masked, mask_rate: .nan}", "finite"),
    "trials true": Bad("trials: 3", "trials: true", "a number is expected"),
    "seed true": Bad(TOP, f"seed: true\n{TOP}", "a number is expected"),
    "low above high": Bad("[0.1, 0.9]", "[0.9, 0.1]", "low < high"),
    "low equals high": Bad("[0.1, 0.9]", "[0.5, 0.5]", "low < high"),
    "log scale with 0": Bad("[1.0e-3, 1.0e-2]", "[0, 1.0e-2]", "low > 0"),
    "no values": Bad("{choice: [16, 32]}", "{choice: []}", "at least 1"),
    "a value twice": Bad("[16, 32]", "[16, 16]", "twice"),
    "too many values": Bad("[16, 32]", f"[{', '.join(map(str, range(1, 5000)))}]", "1000"),
    "range beyond exact numbers": Bad("{choice: [16, 32]}", "{int: [1, 9007199254740995]}", r"2\^53"),
    "unknown pretext task": Bad(MASKED, "{name: maskd}", "did you mean 'masked'?"),
    "unknown mask": Bad("mask: random", "mask: randm", "did you mean 'random'?"),
    "unknown encoder": Bad("{name: linear}", "{name: linaer}", "did you mean 'linear'?"),
    "unknown augmentation": Bad(
        MASKED, "{name: byol, gene_dropot: 0.1}", "did you mean 'gene_dropout'?"
    ),
    "unknown evaluation": Bad("{name: knn}", "{name: knnn}", "did you mean 'knn'?"),
    "unknown gene programmes": Bad(MASKED, "{name: masked, mask: gene_programme, programmes: ../../etc/passwd}", "gene programmes"),
    "unknown corpus": Bad(TOP, f"scenario: transfer\ncorpus: [../../x]\n{TOP}", "unknown data set"),
    "unknown data set": Bad("name: pbmc_cite", "name: pbmc_cites", "did you mean 'pbmc_cite'?"),
    "data set that leads out": Bad("name: pbmc_cite", "name: ../../x", "unknown data set"),
    "data set that is a path": Bad("name: pbmc_cite", "name: /etc/passwd", "unknown data set"),
    "metric to minimise": Bad("mode: max", "mode: min", "'max'"),
    "test score as objective": Bad("metric: val/", "metric: test/", "validation score"),
    "an arm's test score as objective": Bad("val/head/", "test/head/", "validation score"),
    "training score as objective": Bad("metric: val/", "metric: train/", "validation score"),
    "unknown metric": Bad("val/knn/macro_f1", "val/knn/makro_f1", "did you mean 'macro_f1'?"),
    "trials and a grid": Bad(BUDGET, "budget: {trials: 3, grid: 10}", "unknown key 'budget/grid'"),
    "trials as text": Bad("trials: 3", "trials: many", "integer"),
    "trials 0": Bad("trials: 3", "trials: 0", "greater than or equal to 1"),
    "trials 1e9": Bad("trials: 3", "trials: 1e9", "100000"),
    "a list of seeds": Bad(TOP, f"seeds: [1, 1]\n{TOP}", "did you mean 'seed'?"),
    "no seeds": Bad("confirm_seeds: 2", "confirm_seeds: 0", "confirm_seeds"),
    "fractions twice": Bad(TOP, f"label_fractions: [0.5, 0.5]\n{TOP}", "distinct"),
    "no supervised arm": Bad("{name: supervised}", "{name: random_init}", "supervised|classifier"),
    "an arm twice": Bad("  random_init:\n", "  supervised:\n", "stands twice"),
    "arm's name leads out": Bad("  mae:\n", "  ../../mae:\n", "letters, digits and _"),
    "tab": Bad("    pretext: {name: pca}", "\tpretext: {name: pca}", "YAML"),
    "duplicate key": Bad("halving:", f"{BUDGET}\nhalving:", "stands twice"),
    "duplicate key inside": Bad("trials: 3", "trials: 3, trials: 300", "stands twice"),
    "anchor": Bad("{name: linear}", "&x {name: linear}", "anchors"),
    "alias": Bad("{name: linear}", "*x", "anchors"),
    "merge key": Bad("    pretext: {name: pca}\n", "    <<: {pretext: {name: pca}}\n", "plain text"),
    "python object": Bad("{name: linear}", "!!python/object:os.system {}", "tag"),
    "python call": Bad("pbmc_cite", "!!python/object/apply:os.system [touch ran]", "tag"),
    "python name": Bad("name: pbmc_cite", "name: !!python/name:os.system x", "tag"),
    "python module": Bad("name: pbmc_cite", "name: !!python/module:os x", "tag"),
    "import by string": Bad("{name: linear}", "{_target_: os.system, name: linear}", "_target_"),
    "a dotted name": Bad("{name: linear}", "{name: os.system}", "unknown encoder"),
    "a name of our own modules": Bad("{name: linear}", "{name: sslbench.cli.main}", "unknown encoder"),
    "a name that leads out": Bad("{name: linear}", "{name: ../pretext/pca}", "unknown encoder"),
    "a private name": Bad("{name: linear}", "{name: _layers}", "unknown encoder"),
    "a dunder name": Bad("{name: linear}", "{name: __init__}", "unknown encoder"),
    "a name with NUL": Bad("{name: linear}", '{name: "lin\\0ear"}', "unknown encoder"),
    "environment in a name": Bad("name: pbmc_cite", 'name: "${env:SECRET}"', r"unknown data set '\$\{env:SECRET\}'"),
    "environment in a number": Bad("trials: 3", 'trials: "${env:TRIALS}"', r"\$\{env:TRIALS\}"),
    "no CPU": Bad("halving:", "resources: {cpus_per_trial: 0}\nhalving:", "greater than 0"),
    "more CPUs than there are": Bad("halving:", "resources: {cpus_per_trial: 100000}\nhalving:", "S021.*this machine has", 4),
    "a fraction above one GPU": Bad("halving:", "resources: {gpus_per_trial: 1.5}\nhalving:", "whole GPUs"),
    "negative GPUs": Bad("halving:", "resources: {gpus_per_trial: -1}\nhalving:", "greater than or equal"),
    "memory": Bad("halving:", "resources: {memory: 1GB}\nhalving:", "unknown key 'resources/memory'"),
    "half a trial at a time": Bad("halving:", "resources: {max_concurrent: 0.5}\nhalving:", "max_concurrent"),
    "halving by 1": Bad("reduction_factor: 2", "reduction_factor: 1", "reduction_factor"),
    "negative updates": Bad("max_updates: 80", "max_updates: -80", "max_updates"),
    "minibatch of 1": Bad("minibatch_size: 64", "minibatch_size: 1", "minibatch_size"),
    "no question": Bad("question: Does", "qestion: Does", "question"),
    "empty question": Bad("question: Does the whole pipeline run on this machine? (a minute; the scores mean nothing)", 'question: ""', "question"),
    "evaluation twice": Bad("- {name: head}", "- {name: head}\n  - {name: knn}", "twice"),
    "searched part": Bad(SEARCH, "trainer/width: {int: [1, 2]}", "part/option"),
    "searched name": Bad(SEARCH, "pretext/name: {choice: [masked]}", "no option 'name'"),
}  # fmt: skip


def billion_laughs() -> bytes:
    lines = ["a0: &a0 [ha, ha, ha, ha, ha, ha, ha, ha, ha]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    return "\n".join([*lines, SMOKE]).encode()


BYTES = {
    "empty": b"",
    "a list": b"[1, 2]\n",
    "UTF-16": SMOKE.encode("utf-16"),
    "Latin-1": SMOKE.replace("question: Does", "question: D\u00f6s").encode("latin-1"),
    "10 MB": SMOKE.encode() + b"# filled up\n" * 900_000,
    "billion laughs": billion_laughs(),
    "bottomless": SMOKE.encode() + b"a: " + b"[" * 20_000,
    "two documents": SMOKE.encode() + b"\n---\n" + SMOKE.encode(),
    "NUL": SMOKE.encode() + b"\0",
    "a pickle": b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x09touch ran\x85R.",
    "HDF5": b"\x89HDF\r\n\x1a\n" + bytes(100),
}

NAMES = {
    "leads out": "../../x",
    "absolute": "/etc/passwd",
    "a device of Windows": "CON",
    "spaces": "my  sweep",
    "300 characters": "x" * 300,
    "empty": "",
    "a folder": "sweeps",
    "leads out to a file": "../../x.yaml",
    "a file of 300 characters": f"{'x' * 300}.yaml",
    "a file without a name": ".yaml",
    "a file that is only dots": "...yaml",
    "an option": "--help.yaml",
}

ODD_FILES = ["CON.yaml", "nul.yaml", "two words.yaml", f"{'x' * 100}.yaml", "..yaml", "a\nb.yaml"]

OVERRIDES = {
    "no value": "budget.trials",
    "no key": "=4",
    "hole in the key": "budget..trials=4",
    "unknown key": "budget.trails=4",
    "not YAML": "budget.trials=[",
    "python object": "budget.trials=!!python/name:os.system",
    "a test score": "objective.metric=test/knn/macro_f1",
    "below a value": "question.x=4",
    "more CPUs than there are": "resources.cpus_per_trial=100000",
    "environment": "dataset.name=${oc.env:HOME}",
}

DATA = {
    "unknown": ["--data", "no_such_set"],
    "a file without keys": ["--data", "mine.h5ad"],
    "a key beside a set": ["--data", "pbmc_cite", "--label-key", "x"],
    "a YAML that is not there": ["--data", "no_such.yaml"],
    "a YAML with an unknown key": ["--data", "odd.yaml"],
    "a YAML that leads out": ["--data", "out.yaml"],
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the sweeps, in which reading cells is an error of the test."""
    (tmp_path / "sweeps").symlink_to(PROJECT / "sweeps")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SECRET", "pbmc_cite")
    monkeypatch.setenv("TRIALS", "3")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(sslbench.cli.cells, "built", lambda *_: pytest.fail("cells were read"))
    return tmp_path


def is_one_error(ended: Typed, *, code: int) -> None:
    assert ended.code == code, ended
    assert ended.err.startswith("error["), ended
    assert ended.err.count("error[") == 1, ended
    assert "Traceback" not in ended.err
    assert len(ended.err.splitlines()) <= 8
    assert max(map(len, ended.err.splitlines())) < 1_500
    assert ended.out == ""
    assert ended.cpu_seconds < 3


def is_as_it_was(here: Path, *names: str) -> None:
    assert {entry.name for entry in here.iterdir()} == {"sweeps", *names}


@pytest.mark.parametrize("case", FILES)
@pytest.mark.parametrize("verb", ["check", "sweep"])
def test_a_wrong_sweep_file_is_one_error_before_any_cell_is_read(
    case: str, verb: str, here: Path
) -> None:
    old, new, says, code = FILES[case]
    assert old in SMOKE
    (here / "mine.yaml").write_text(SMOKE.replace(old, new, 1), encoding="utf-8")
    ended = typed(verb, "mine.yaml", "--home", "home")
    is_one_error(ended, code=code)
    assert re.search(says, ended.err, re.DOTALL), ended.err
    is_as_it_was(here, "mine.yaml")


@pytest.mark.parametrize("case", BYTES)
def test_what_is_no_sweep_file_is_one_error(case: str, here: Path) -> None:
    (here / "mine.yaml").write_bytes(BYTES[case])
    ended = typed("sweep", "mine.yaml", "--home", "home")
    is_one_error(ended, code=2)
    assert "mine.yaml" in ended.err
    is_as_it_was(here, "mine.yaml")


@pytest.mark.parametrize("case", NAMES)
def test_a_name_that_is_no_sweep_is_one_error(case: str, here: Path) -> None:
    ended = typed("sweep", "--home", "home", "--", NAMES[case])
    is_one_error(ended, code=2)
    is_as_it_was(here)


@pytest.mark.parametrize("name", ODD_FILES)
def test_a_good_file_whose_name_cannot_be_a_folders_is_refused(name: str, here: Path) -> None:
    (here / name).write_text(SMOKE, encoding="utf-8")
    ended = typed("sweep", name, "--home", "home")
    is_one_error(ended, code=2)
    assert "C052" in ended.err
    is_as_it_was(here, name)


@pytest.mark.parametrize("case", OVERRIDES)
def test_a_wrong_override_is_one_error_that_names_it(case: str, here: Path) -> None:
    ended = typed("sweep", "smoke", "-o", OVERRIDES[case], "--home", "home")
    is_one_error(ended, code=4 if "CPUs" in case else 2)
    is_as_it_was(here)


@pytest.mark.parametrize("case", DATA)
def test_wrong_words_about_the_cells_are_one_error(case: str, here: Path) -> None:
    keys = "title: t\nlabel_key: a\ndonor_key: b\n"
    (here / "odd.yaml").write_text(f"{keys}file: a.h5ad\nlabelkey: b\n", encoding="utf-8")
    (here / "out.yaml").write_text(f"{keys}file: 'folder:../../x.h5ad'\n", encoding="utf-8")
    ended = typed("sweep", "smoke", *DATA[case], "--home", "home")
    is_one_error(ended, code=2)
    is_as_it_was(here, "odd.yaml", "out.yaml")


def test_the_file_that_every_case_changes_is_a_good_one(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a case could be refused for something else."""
    (here / "mine.yaml").write_text(SMOKE, encoding="utf-8")
    with pytest.raises(pytest.fail.Exception, match="cells were read"):
        typed("sweep", "mine.yaml", "--home", "home")


@pytest.mark.parametrize("written", ["1e-3", "1.0e-3", "0.001", ".001", "1E-3"])
def test_a_number_is_one_however_it_is_written(written: str, here: Path) -> None:
    (here / "mine.yaml").write_text(
        SMOKE.replace("max_updates: 80", f"learning_rate: {written}, max_updates: 80"),
        encoding="utf-8",
    )
    assert load_sweep(here / "mine.yaml").training["learning_rate"] == 0.001


@pytest.mark.parametrize("word, retune", [("on", True), ("no", False), ("true", True)])
def test_a_word_for_yes_or_no_means_what_it_says(word: str, retune: bool, here: Path) -> None:
    text = SMOKE.replace(TOP, f"label_fractions: [0.5]\nretune: {word}\n{TOP}")
    (here / "mine.yaml").write_text(text, encoding="utf-8")
    assert load_sweep(here / "mine.yaml").retune is retune


def test_a_vast_grid_is_searched_within_the_budget_and_never_written_out(here: Path) -> None:
    three = "\n      ".join(
        f"training/{name}: {{choice: [{', '.join(map(str, range(10, 110)))}]}}"
        for name in ("max_updates", "evaluate_every", "minibatch_size")
    )
    (here / "mine.yaml").write_text(SMOKE.replace(SEARCH, three), encoding="utf-8")
    spec = load_sweep(here / "mine.yaml")
    assert math.prod(len(p.ends()) for p in spec.arms["mae"].search.values()) == 10**6
    assert spec.arms["mae"].n_trials(spec.budget) == 3


@pytest.mark.parametrize(
    "words, code",
    [
        (("sweep", "../../x"), 2),
        (("sweep", "smoke", "-o", "resources.cpus_per_trial=100000"), 4),
        (("check", "mine.yaml"), 2),
    ],
)
def test_the_real_command_says_it_without_importing_torch(
    words: tuple[str, ...], code: int, tmp_path: Path
) -> None:
    (tmp_path / "sweeps").symlink_to(PROJECT / "sweeps")
    (tmp_path / "mine.yaml").write_text(SMOKE.replace("masked", "maskd"), encoding="utf-8")
    script = (
        "import sys, atexit\n"
        "atexit.register(lambda: print(sorted({'torch', 'ray', 'mlflow', 'anndata'} & set(sys.modules))))\n"
        f"sys.argv = {['sslbench', *words]!r}\n"
        "from sslbench.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (code, "[]\n"), done.stderr
    assert done.stderr.count("error[") == 1
    assert "Traceback" not in done.stderr
    is_as_it_was(tmp_path, "mine.yaml")
