"""What README and docs name exists: commands, options, paths, tests, keys, defaults; and their examples run."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
import typer
import yaml

from benchmarks.__main__ import arguments
from sslbench.cli import app
from sslbench.cli.listing import known
from sslbench.config import Scenario, TrainingOptions, TrialConfig
from sslbench.data.catalogue import load_dataset
from sslbench.data.store import prepare_store
from sslbench.errors import ConfigError, DataError, RefusedError, SetupError
from sslbench.registry import ENCODERS, EVALUATIONS, PRETEXTS
from sslbench.results import MetricKey
from sslbench.search.spec import load_sweep
from sslbench.trial import run_trial
from tests.factories import synthetic_adata, synthetic_spec

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")]
PAGES += sorted((ROOT / "docs").glob("*.md"))
TEXTS = {str(page.relative_to(ROOT)): page.read_text(encoding="utf-8") for page in PAGES}
EACH_PAGE = pytest.mark.parametrize("page", TEXTS)

FENCED = re.compile(r"^```(\w*)([^\n]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
SPAN = re.compile(r"`([^`\n]+)`")
# Made by a run, not in a fresh clone.
MADE_LATER = ("tracking/", "store/", "reports/", "ledger/", "artifacts/")


def blocks(page: str, language: str) -> list[str]:
    return [text for kind, _, text in FENCED.findall(TEXTS[page]) if kind == language]


def spans(page: str) -> list[str]:
    """Everything set as code inside sentences and tables."""
    return SPAN.findall(FENCED.sub("", TEXTS[page]))


def examples() -> set[str]:
    """Files that the pages show whole, to be saved by the reader."""
    return set(re.findall(r"^```\w+ file=(\S+)$", "\n".join(TEXTS.values()), re.MULTILINE))


# Commands

VERBS = typer.main.get_command(app).commands  # type: ignore[attr-defined]
GROUPS = {name: verb.commands for name, verb in VERBS.items() if hasattr(verb, "commands")}
LEAVES = [*VERBS.values(), *(verb for group in GROUPS.values() for verb in group.values())]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = dict(re.findall(r"^([a-z-]+):.*\n((?:\t.*\n)*)", MAKEFILE, re.MULTILINE))
VARIABLES = set(re.findall(r"^([A-Z]+) \?=", MAKEFILE, re.MULTILINE))


def commands(page: str) -> Iterator[str]:
    shown = "".join(blocks(page, "console"))
    lines = [line.removeprefix("$ ") for line in shown.splitlines() if line.startswith("$ ")]
    # the output of a command names the next ones
    lines += re.findall(r"(?:make|sslbench) [a-z][^|\n]*", "\n".join(
        line.split("  ", 1)[-1] for line in shown.splitlines() if line.startswith(("next", "browse"))
    ))  # fmt: skip
    lines += [span for span in spans(page) if re.match(r"(make|sslbench) [a-z]", span)]
    for line in lines:
        yield line.partition("#")[0].partition(", then")[0].strip()


def check_sslbench(words: list[str]) -> None:
    assert words[0] in VERBS, words
    if words[0] in GROUPS:
        assert words[1] in GROUPS[words[0]], words
    verb = GROUPS[words[0]][words[1]] if words[0] in GROUPS else VERBS[words[0]]
    known = {option for parameter in verb.params for option in parameter.opts}
    unknown = [word for word in words[1:] if word.startswith("-") and word not in known]
    assert not unknown, f"sslbench {words[0]} has no {unknown}"


def forwarded(target: str, given: dict[str, str]) -> None:
    """ARGS of a target that forwards to a verb, or to the benchmarks, are options that it has."""
    if "-m benchmarks" in TARGETS[target]:
        arguments(shlex.split(given.get("ARGS", "")))  # exits at what it does not know
        return
    verb = re.search(r"\$\(BIN\)/sslbench ([a-z]+)", TARGETS[target])
    if given.get("ARGS"):
        assert verb, f"make {target} forwards to no verb"
        check_sslbench([verb[1], *shlex.split(given["ARGS"])])


def known_sweeps() -> set[str]:
    return {Path(p).stem for p in examples() if p.startswith("sweeps/")} | {
        file.stem for file in (ROOT / "sweeps").glob("*.yaml")
    }


@EACH_PAGE
def test_every_command_exists_with_its_options(page: str) -> None:
    for command in commands(page):
        program, *words = shlex.split(command)
        if program == "sslbench":
            check_sslbench(words)
            continue
        targets = [word for word in words if "=" not in word]
        given = dict(word.split("=", 1) for word in words if "=" in word)
        assert set(targets) <= set(TARGETS), command
        assert set(given) <= VARIABLES, command
        assert given.get("SWEEP", "SWEEP") in known_sweeps() | {"SWEEP"}, command
        for target in targets:
            forwarded(target, given)


def test_the_readme_shows_the_main_commands() -> None:
    found = list(commands("README.md"))
    assert {"make sweep SWEEP=mae_masking", "make pull TO=best", "make ui"} <= set(found)


@EACH_PAGE
def test_every_option_in_a_sentence_is_one_of_some_verb(page: str) -> None:
    known = {option for verb in LEAVES for p in verb.params for option in p.opts}
    for span in spans(page):
        if re.match(r"--?[a-z]", span):
            assert span.split()[0] in known, span


def test_the_exit_codes_are_those_of_the_code() -> None:
    import sslbench.cli.exit_codes as ends

    code = {e.exit_code for e in (ConfigError, DataError, SetupError, RefusedError)}
    code |= {ends.OK, ends.FAILED_TRIALS, ends.NOT_SYNCED, ends.INTERRUPTED, ends.NOT_REPRODUCED}
    table = TEXTS["README.md"].split("| code | meaning |")[1].split("\n\n")[0]
    assert {int(n) for n in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)} == code


@pytest.mark.parametrize("page", ["README.md", "CHANGELOG.md", "CONTRIBUTING.md"])
def test_every_name_is_one_of_the_list(page: str) -> None:
    words = {span for span in spans(page) if re.fullmatch(r"[a-z]+(_[a-z0-9]+)*", span)}
    named = {name for _, name, _ in known()} | set(get_args(Scenario))
    assert words <= named | {"make", "sslbench", "z"}


# Paths


@EACH_PAGE
def test_every_path_and_link_exists(page: str) -> None:
    text = FENCED.sub("", TEXTS[page])
    links = [link for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link]
    for link in links:
        name, _, anchor = link.partition("#")
        target = (ROOT / page).parent / name if name else ROOT / page
        assert target.exists(), link
        if anchor:
            headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {
                re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in headings
            }, link
    for span in spans(page):
        if re.fullmatch(r"[\w.-]+/[\w./-]*", span) and "." not in span.split("/")[0]:
            places = (ROOT / span, ROOT / "sslbench" / span, ROOT / "sweeps" / f"{span}.yaml")
            exists = any(place.exists() for place in places)
            known_otherwise = span in examples() or is_no_path(span) or span.startswith(MADE_LATER)
            assert exists or known_otherwise, span


def is_no_path(span: str) -> bool:
    """A metric key, a searched parameter, a slot, a repository, or the pattern of one of these."""
    first, _, rest = span.partition("/")
    parts = {"pretext": PRETEXTS, "encoder": ENCODERS}
    if first in parts:
        registry = parts[first]
        return any(rest in registry.options(name).model_fields for name in registry.names())
    if first == "training":
        return rest in TrainingOptions.model_fields
    if first in ("train", "val", "test"):
        task = MetricKey(first, *f"{rest}/".split("/")[:2])
        return task.evaluation in {*EVALUATIONS.names(), "pretext", "embedding"}
    return span in {"split/task/metric", "part/option", "layers/counts", "theislab/ssl_in_scg", "BoevaLab/scSSL-Bench"}  # fmt: skip


def tree_paths() -> list[str]:
    text = next(t for k, more, t in FENCED.findall(TEXTS["README.md"]) if more.strip() == "tree")
    paths, room = [], ""
    for line in text.splitlines():
        name = line.split()[0]
        inside = line.startswith("  ")
        paths.append(room + name if inside else name)
        room = room if inside else name
    return paths


def test_every_line_of_the_tree_exists_and_every_room_has_a_line() -> None:
    paths = tree_paths()
    for path in paths:
        assert path in MADE_LATER or (ROOT / path).exists(), path
        assert path.endswith("/") == (ROOT / path).is_dir() or path in MADE_LATER, path
    packages = (file.parent for file in (ROOT / "sslbench").glob("*/__init__.py"))
    assert {f"sslbench/{package.name}/" for package in packages} <= set(paths)


def test_every_room_of_the_architecture_page_is_a_room() -> None:
    rooms = re.findall(r"^\| `(sslbench/[^`]+)`", TEXTS["docs/architecture.md"], re.MULTILINE)
    packages = (file.parent for file in (ROOT / "sslbench").glob("*/__init__.py"))
    assert {f"sslbench/{package.name}/" for package in packages} <= set(rooms)


@EACH_PAGE
def test_every_test_that_is_named_exists(page: str) -> None:
    tests = "\n".join(f.read_text(encoding="utf-8") for f in (ROOT / "tests").rglob("test_*.py"))
    defined = set(re.findall(r"def (test_\w+)\(", tests))
    assert set(re.findall(r"`(test_\w+)`", TEXTS[page])) <= defined


def test_the_picture_of_the_readme_is_a_picture() -> None:
    picture = (ROOT / "docs/figures/leaderboard.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) < 300_000


# YAML

BASE = yaml.safe_load((ROOT / "sweeps/smoke.yaml").read_text(encoding="utf-8"))
YAML_BLOCKS = [(page, text) for page in TEXTS for text in blocks(page, "yaml")]


@pytest.mark.parametrize("page, text", YAML_BLOCKS)
def test_every_yaml_block_is_a_sweep_its_arms_or_a_data_set(
    page: str, text: str, tmp_path: Path
) -> None:
    value = yaml.safe_load(text)
    file = tmp_path / "shown.yaml"
    file.write_text(text, encoding="utf-8")
    if "label_key" in value:
        assert load_dataset(file).title
        return
    if set(value) == {"arms"}:  # arms to be put into a sweep
        whole = BASE | {"arms": BASE["arms"] | value["arms"]}
        file.write_text(yaml.safe_dump(whole, sort_keys=False), encoding="utf-8")
    assert load_sweep(file).arms


TABLE = re.compile(r"<!-- keys of ([\w.]+) -->\n((?:\|.*\n)+)")


def rows(table: str) -> list[list[str]]:
    lines = table.strip().splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def plain(cell: str) -> Any:
    return yaml.safe_load(cell.strip("`"))


REFERENCE = TABLE.findall(TEXTS["docs/sweep_files.md"])


@pytest.mark.parametrize("address, table", REFERENCE, ids=[address for address, _ in REFERENCE])
def test_every_key_of_the_reference_has_its_default_and_none_is_left_out(
    address: str, table: str
) -> None:
    module, _, name = address.rpartition(".")
    fields = getattr(import_module(module), name).model_fields
    by_key = {field.alias or key: field for key, field in fields.items()}
    shown = {cells[0].strip("`"): cells[1] for cells in rows(table)}
    assert list(shown) == list(by_key)
    for key, default in shown.items():
        field = by_key[key]
        if default == "required":
            assert field.is_required(), key
        elif default.startswith("`"):
            found = field.get_default(call_default_factory=True)
            found = list(found) if isinstance(found, tuple) else found
            assert plain(default) == found, key
        else:
            assert not field.is_required(), key


def test_every_option_of_the_reference_has_its_default() -> None:
    registries = {"pretext": PRETEXTS, "encoder": ENCODERS, "evaluation": EVALUATIONS}
    text = TEXTS["docs/sweep_files.md"].split("<!-- options of registered things -->\n")[1]
    kind, name, shown = "", "", set()
    for cells in rows(text.split("\n\n")[0]):
        kind, name = cells[0] or kind, cells[1].strip("`") or name
        fields = registries[kind].options(name).model_fields
        if cells[2]:
            shown.add((kind, name, cells[2].strip("`")))
            field = fields[cells[2].strip("`")]
            assert plain(cells[3]) == field.default, cells
            if get_origin(field.annotation) is Literal:
                assert tuple(SPAN.findall(cells[4])) == get_args(field.annotation), cells
        else:
            assert not fields, name
    listed = {(kind, name) for kind, name, _ in shown}
    for kind, name in listed:
        assert {o for k, n, o in shown if (k, n) == (kind, name)} == set(registries[kind].options(name).model_fields)  # fmt: skip


# Python


@pytest.mark.slow
def test_the_python_of_the_readme_runs_with_a_model_folder_and_ones_own_cells(
    tmp_path: Path,
) -> None:
    spec = synthetic_spec(tmp_path, n_cells=200)
    store = prepare_store(spec, n_top_genes=None, root=tmp_path)
    config = TrialConfig.model_validate(
        {
            "dataset": {"name": spec.name},
            "pretext": {"name": "pca"},
            "encoder": {"name": "linear", "embedding_dim": 8},
            "evaluation": [{"name": "knn"}],
        }
    )
    run_trial(config, store=store, workdir=tmp_path, report=lambda _: None, score_test=True)
    (tmp_path / "checkpoint").rename(tmp_path / "best")
    synthetic_adata(n_cells=60).write_h5ad(tmp_path / "my.h5ad")
    (code,) = blocks("README.md", "python")
    checks = '\nassert adata.obsm["X_sslbench"].shape == (60, 8)\nassert "X_umap" in adata.obsm'
    ran = subprocess.run(
        [sys.executable, "-c", code + checks],
        cwd=tmp_path, env={"MPLBACKEND": "Agg", "PATH": "", "OMP_NUM_THREADS": "1", "HOME": str(tmp_path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr


@EACH_PAGE
def test_nothing_is_left_to_fill_in(page: str) -> None:
    assert not re.search(r"TODO|FIXME|RUN_DATE|SWEEP_OUTPUT|PULL_OUTPUT", TEXTS[page])
