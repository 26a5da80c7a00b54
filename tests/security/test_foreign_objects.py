"""Twelve foreign objects in every file that somebody else may hand over, through the real verbs: refused, and never run."""

from __future__ import annotations

import io
import json
import pickle
import shutil
import zipfile
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import sslbench
from sslbench.durable import sha256
from sslbench.errors import RefusedError
from tests.factories import synthetic_adata
from tests.security.payloads import PAYLOADS, Payload, header_then
from tests.sslbench.cli.typed import Typed, typed

EACH = pytest.mark.parametrize("kind", PAYLOADS)
FILES = ("encoder.safetensors", "classifier.safetensors", "labels.json", "genes.txt")


@pytest.fixture
def model(classifying_model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(classifying_model, tmp_path / "model"))


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("cells") / "my.h5ad"
    synthetic_adata(n_cells=60).write_h5ad(file)
    return file


def put(folder: Path, name: str, content: bytes) -> None:
    """Change a file and its hash in the record, as somebody with bad intentions would."""
    (folder / name).write_bytes(content)
    record = json.loads((folder / "checkpoint.json").read_text(encoding="utf-8"))
    record["files"][name] = sha256(folder / name)
    (folder / "checkpoint.json").write_text(json.dumps(record), encoding="utf-8")


def is_refused(ended: Typed, *codes: int) -> None:
    assert ended.code in codes, ended
    assert ended.err.count("error[") == 1, ended.err
    assert "Traceback" not in ended.err


def using(verb: str, model: Path, cells: Path, out: Path) -> Typed:
    return typed(verb, str(cells), "--model", str(model), "--out", str(out))


def careless(kind: str, content: bytes) -> object:
    """What reads the file without a thought."""
    buffer = io.BytesIO(content)
    if "torch" in kind:
        return torch.load(buffer, weights_only=False)
    if "numpy" in kind:
        loaded = np.load(buffer, allow_pickle=True)
        return loaded["x"] if "archive" in kind else loaded
    if "joblib" in kind:
        return joblib.load(buffer)
    if "zip" in kind:
        return pickle.loads(zipfile.ZipFile(buffer).read("data.pkl"))
    return pickle.loads(content[content.index(b"\x80") :] if "over" in kind else content)


@EACH
def test_the_object_runs_where_nobody_refuses_it(kind: str, tmp_path: Path) -> None:
    """Else the other tests would show nothing."""
    careless(kind, PAYLOADS[kind](tmp_path / "ran"))
    assert (tmp_path / "ran").exists()


@EACH
@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("verb", ["embed", "annotate"])
def test_a_model_folder_with_a_foreign_object_is_refused(
    verb: str, name: str, kind: str, model: Path, cells: Path, tmp_path: Path
) -> None:
    if verb == "embed" and name == "classifier.safetensors":
        verb = "annotate"  # who only embeds never opens it
    put(model, name, PAYLOADS[kind](tmp_path / "ran"))
    is_refused(using(verb, model, cells, tmp_path / "out.h5ad"), 7)
    assert {entry.name for entry in tmp_path.iterdir()} == {"model"}


@EACH
def test_a_record_that_is_a_foreign_object_is_refused(
    kind: str, model: Path, tmp_path: Path
) -> None:
    (model / "checkpoint.json").write_bytes(PAYLOADS[kind](tmp_path / "ran"))
    with pytest.raises(RefusedError):
        sslbench.load_encoder(model)
    assert not (tmp_path / "ran").exists()


@EACH
def test_a_file_of_cells_that_is_a_foreign_object_is_refused(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "my.h5ad"
    file.write_bytes(PAYLOADS[kind](tmp_path / "ran"))
    keys = ("--label-key", "cell_type", "--donor-key", "donor", "--home", str(tmp_path / "home"))
    is_refused(typed("data", "check", str(file), *keys[:4]), 3)
    is_refused(
        typed("score", str(file), "--obsm", "X", "--name", "a", "--sweep", "smoke", *keys), 3
    )
    assert {entry.name for entry in tmp_path.iterdir()} == {"my.h5ad"}


@EACH
def test_a_data_set_or_sweep_file_that_is_a_foreign_object_is_refused(
    kind: str, tmp_path: Path
) -> None:
    file = tmp_path / "my.yaml"
    file.write_bytes(PAYLOADS[kind](tmp_path / "ran"))
    is_refused(typed("check", str(file)), 2)
    is_refused(typed("check", "sweeps/smoke.yaml", "--data", str(file)), 2)
    assert {entry.name for entry in tmp_path.iterdir()} == {"my.yaml"}


# Weights that are safetensors, and lie


def tensors(model: Path) -> dict[str, torch.Tensor]:
    return dict(load_file(model / "encoder.safetensors"))


def saved(model: Path, changed: dict[str, torch.Tensor]) -> None:
    save_file(changed, model / "new")
    content = (model / "new").read_bytes()
    (model / "new").unlink()
    put(model, "encoder.safetensors", content)


def twice(model: Path) -> None:
    name = next(iter(tensors(model)))
    entry = f'"{name}":{{"dtype":"F32","shape":[1],"data_offsets":[%d,%d]}}'
    header = "{" + entry % (0, 4) + "," + entry % (4, 8) + "}"
    put(
        model, "encoder.safetensors", len(header).to_bytes(8, "little") + header.encode() + bytes(8)
    )


def not_a_number(model: Path) -> None:
    given = tensors(model)
    next(iter(given.values())).view(-1)[0] = np.nan
    saved(model, given)


def another_shape(model: Path) -> None:
    given = tensors(model)
    name, tensor = next(iter(given.items()))
    saved(model, given | {name: torch.zeros(*tensor.shape, 2)})


def one_more(model: Path) -> None:
    saved(model, tensors(model) | {"hook": torch.zeros(1)})


def one_fewer(model: Path) -> None:
    saved(model, dict(list(tensors(model).items())[1:]))


def other_numbers(model: Path) -> None:
    saved(model, {name: tensor.double() for name, tensor in tensors(model).items()})


def header_of_4_gb(model: Path) -> None:
    put(model, "encoder.safetensors", (2**32).to_bytes(8, "little") + b"{" + b" " * 2**20)


def header_past_the_end(model: Path) -> None:
    put(model, "encoder.safetensors", (2**20).to_bytes(8, "little") + b"{}")


def torn(model: Path) -> None:
    put(model, "encoder.safetensors", (model / "encoder.safetensors").read_bytes()[:-8])


def overlapping(model: Path) -> None:
    names = list(tensors(model))
    table = {n: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]} for n in names}
    header = json.dumps(table).encode()
    put(model, "encoder.safetensors", len(header).to_bytes(8, "little") + header + bytes(4))


def endless_record(model: Path) -> None:
    record = json.loads((model / "checkpoint.json").read_text(encoding="utf-8"))
    record["config"]["encoder"]["embedding_dim"] = 10**12
    (model / "checkpoint.json").write_text(json.dumps(record), encoding="utf-8")


def bottomless_record(model: Path) -> None:
    (model / "checkpoint.json").write_text("[" * 200_000, encoding="utf-8")


def bottomless_labels(model: Path) -> None:
    put(model, "labels.json", b"[" * 200_000)


def hole_of_a_terabyte(model: Path) -> None:
    with (model / "encoder.safetensors").open("r+b") as file:
        file.truncate(2**40)


def hole_of_a_terabyte_of_genes(model: Path) -> None:
    with (model / "genes.txt").open("r+b") as file:
        file.truncate(2**40)


LIES = (
    twice, not_a_number, another_shape, one_more, one_fewer, other_numbers, header_of_4_gb, header_past_the_end,
    torn, overlapping, endless_record, bottomless_record, bottomless_labels, hole_of_a_terabyte,
    hole_of_a_terabyte_of_genes,
)  # fmt: skip


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.__name__)
def test_weights_and_records_that_lie_are_refused_by_name(lie, model: Path) -> None:
    lie(model)
    with pytest.raises(RefusedError) as caught:
        sslbench.load_encoder(model)
    assert caught.value.exit_code == 7
    assert caught.value.where is not None
    assert str(model) in caught.value.where


def test_a_safetensors_file_over_a_pickle_is_read_as_numbers_only(tmp_path: Path) -> None:
    file = tmp_path / "x.safetensors"
    file.write_bytes(header_then(pickle.dumps(Payload(tmp_path / "ran"))))
    assert load_file(file)["x"].dtype == torch.uint8
    assert not (tmp_path / "ran").exists()
