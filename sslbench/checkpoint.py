"""How an encoder leaves home and is used elsewhere: save it with all it needs, load it, embed new cells."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from pydantic import ValidationError
from torch import nn

from sslbench.config import EncoderChoice, TrialConfig
from sslbench.discretion import without_home
from sslbench.durable import beside, settle, sha256
from sslbench.embedding import Coverage, PulledEncoder, embedded_cells, predicted_labels
from sslbench.encoders.base import Encoder, build_encoder, encoder_bytes
from sslbench.errors import ConfigError, DataError, SetupError
from sslbench.model_card import model_card
from sslbench.model_folder import (
    CARD,
    CLASSIFIER,
    ENCODER,
    GENES,
    LABELS,
    RECORD,
    CheckpointRecord,
    preprocessing_of,
    read_genes,
    read_labels,
    read_record,
    refused,
)
from sslbench.weights import load_weights, save_weights

if TYPE_CHECKING:
    from anndata import AnnData


def save_checkpoint(
    folder: Path,
    *,
    encoder: Encoder,
    classifier: nn.Module | None,
    config: TrialConfig,
    genes: tuple[str, ...],
    label_names: tuple[str, ...],
    scores: Mapping[str, float],
    provenance: Mapping[str, str],
    data: Mapping[str, Any],
) -> None:
    """Write a model folder in one step: at `folder` there is nothing, or all of it.

    `genes` are the encoder's inputs in order, `label_names` the label set in the order of its codes; `data`
    says in plain words and numbers where the cells come from (data set, fingerprint, licence, citation).

    Raises
    ------
    SetupError
        If something is at `folder` already.
    DataError
        If the genes are not one distinct line each.
    DivergedError
        If a weight is NaN or infinite.
    """
    if folder.exists():
        raise SetupError(
            "a model folder is never overwritten", code="S012", where=str(folder),
            fix="name another folder, or remove this one",
        )  # fmt: skip
    _refuse_odd_genes(genes)
    record = CheckpointRecord(
        sslbench_version=version("sslbench"),
        config=config.model_dump(mode="json"),
        preprocessing=preprocessing_of(config.encoder.name),
        n_genes=len(genes),
        embedding_dim=encoder.embedding_dim,
        scores=dict(scores),
        provenance=dict(provenance),
        data=dict(data),
        files={},
    )
    texts = {
        GENES: "".join(f"{gene}\n" for gene in genes),
        LABELS: json.dumps(list(label_names), ensure_ascii=False, indent=1),
        CARD: without_home(model_card(record, config=config, genes=genes, label_names=label_names)),
    }
    networks = {ENCODER: encoder} | ({} if classifier is None else {CLASSIFIER: classifier})
    _write_whole(folder, record=record, texts=texts, networks=networks)


def load_encoder(folder: str | Path, *, device: str = "cpu") -> PulledEncoder:
    """Load the encoder of a model folder in eval mode, ready for new cells; torch's random state is kept.

    Raises
    ------
    ConfigError
        If there is no model folder at that place.
    RefusedError
        If a file was changed, or is anything but text and safetensors; no code in it is ever run.
    SetupError
        If a newer sslbench wrote the folder.
    """
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise SetupError("there is no GPU that torch can use", code="S014", fix="device cpu")
    folder = Path(folder)
    record = read_record(folder)
    genes = read_genes(folder / GENES)
    if len(genes) != record.n_genes:
        raise refused(folder / GENES, f"{len(genes)} genes, expected {record.n_genes}")
    try:
        choice = EncoderChoice.model_validate(record.config["encoder"])
    except ValidationError as error:
        raise refused(folder / RECORD, f"encoder options: {error.errors()[0]['msg']}") from error
    expected = encoder_bytes(choice.name, choice.options, n_genes=len(genes))
    if expected > (folder / ENCODER).stat().st_size:  # else a record could ask for any memory
        raise refused(
            folder / RECORD, f"an encoder of {expected:,} bytes, more than its file holds"
        )
    with torch.random.fork_rng(devices=[]):
        encoder = build_encoder(choice.name, choice.options, n_genes=len(genes))
    load_weights(folder / ENCODER, encoder)
    return PulledEncoder(
        encoder=encoder.to(device).eval(),
        genes=genes,
        label_names=read_labels(folder / LABELS),
        scores=record.scores,
        about=_about(record),
        device=device,
    )


def embed(
    adata: AnnData,
    *,
    model: str | Path,
    key: str = "X_sslbench",
    counts: str | None = None,
    device: str = "cpu",
) -> Coverage:
    """Add `obsm[key]`, the float32 embedding of every cell, and `uns["sslbench"]`, where it comes from.

    `model` is a model folder; `counts` the slot of the raw counts, looked for if not given. Nothing else of
    `adata` changes. Returns, and prints to stderr, how many of the model's genes these cells have.

    Raises
    ------
    DataError
        If no slot holds raw counts, or fewer than half of the model's genes are found (D130).
    ConfigError, RefusedError, SetupError
        If `model` cannot be loaded, as `load_encoder` says.
    """
    if not key or "/" in key or "\0" in key:
        raise ConfigError(
            f"key names an entry of obsm and has no '/', got {key!r}", code="C031",
            fix="for example X_sslbench",
        )  # fmt: skip
    pulled = load_encoder(model, device=device)
    cells = embedded_cells(pulled, adata, counts=counts)
    adata.obsm[key] = cells.z
    adata.uns["sslbench"] = {**pulled.about, **cells.coverage.as_uns(), "key": key}
    print(f"genes    {cells.coverage}", file=sys.stderr)
    return cells.coverage


def load_classifier(folder: str | Path, *, device: str = "cpu") -> nn.Module:
    """Load what maps z to logits over the model's labels: one linear layer, in eval mode.

    Raises
    ------
    ConfigError
        If there is no model folder at that place, or its model learned without labels.
    RefusedError, SetupError
        As `load_encoder` says.
    """
    folder = Path(folder)
    record = read_record(folder)
    if CLASSIFIER not in record.files:
        raise ConfigError(
            "this model carries no classifier: it learned without labels",
            code="C033",
            where=str(folder),
            found=f"pretext task {record.config['pretext']['name']}",
            fix="take a model that learned from labels; or embed the cells, and label them by your own "
            'classifier or clusters of obsm["X_sslbench"]',
        )
    with torch.random.fork_rng(devices=[]):
        classifier = nn.Linear(record.embedding_dim, len(read_labels(folder / LABELS)))
    load_weights(folder / CLASSIFIER, classifier)
    return classifier.to(device).eval()


def annotate(
    adata: AnnData, *, model: str | Path, counts: str | None = None, device: str = "cpu"
) -> Coverage:
    """Add the most probable cell type of every cell as `obs["sslbench_label"]`, and `obs["sslbench_prob"]`.

    Labels are categories, in the model's order; the probability (float32, in [0, 1]) is the softmax of the
    model's logits, which nothing has calibrated. Cells without counts in the model's genes get neither.
    `uns["sslbench_annotation"]` says where the labels come from; nothing else of `adata` changes. Returns, and prints to stderr,
    how many of the model's genes these cells have.

    Raises
    ------
    DataError
        If no slot holds raw counts, or fewer than half of the model's genes are found (D130).
    ConfigError
        If the model has no classifier (C033), or there is no model at that place.
    RefusedError, SetupError
        If `model` cannot be loaded, as `load_encoder` says.
    """
    classifier = load_classifier(model, device=device)
    pulled = load_encoder(model, device=device)
    cells = embedded_cells(pulled, adata, counts=counts)
    for name, column in predicted_labels(pulled, cells, classifier=classifier).items():
        adata.obs[name] = column.array
    adata.uns["sslbench_annotation"] = {**pulled.about, **cells.coverage.as_uns()}
    print(f"genes    {cells.coverage}", file=sys.stderr)
    return cells.coverage


def _write_whole(
    folder: Path,
    *,
    record: CheckpointRecord,
    texts: Mapping[str, str],
    networks: Mapping[str, nn.Module],
) -> None:
    """Fill a hidden folder beside `folder`, then rename it; a failure leaves neither behind."""
    temporary = beside(folder)
    temporary.mkdir(parents=True)
    try:
        for name, network in networks.items():
            save_weights(temporary / name, network)
        for name, text in texts.items():
            (temporary / name).write_text(text, encoding="utf-8", newline="\n")
        files = {file.name: sha256(file) for file in sorted(temporary.iterdir())}
        whole = record.model_copy(update={"files": files})
        given_away = without_home(whole.model_dump_json(indent=1))
        (temporary / RECORD).write_text(given_away, encoding="utf-8")
        _settle_all(temporary)
        os.rename(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    settle(folder.parent)


def _settle_all(folder: Path) -> None:
    """Make every file of a folder survive a power cut."""
    for file in folder.iterdir():
        settle(file)
    settle(folder)


def _refuse_odd_genes(genes: tuple[str, ...]) -> None:
    odd = [gene for gene in genes if not gene or len(gene.splitlines()) != 1]
    if odd or len(set(genes)) != len(genes):
        raise DataError(
            "genes must be distinct names of one line each",
            code="D132",
            found=f"{len(genes):,} names, {len(set(genes)):,} of them distinct, {len(odd):,} odd",
            fix="adata.var_names_make_unique() before the data are read",
        )


def _about(record: CheckpointRecord) -> dict[str, str | int]:
    """Return what an AnnData should say of a model, in types that .h5ad can hold."""
    config = record.config
    return {
        "sslbench_version": record.sslbench_version,
        "pretext": str(config["pretext"]["name"]),
        "encoder": str(config["encoder"]["name"]),
        "dataset": str(config["dataset"]["name"]),
        "data_fingerprint": str(record.data.get("data_fingerprint", "")),
        "seed": int(config["seed"]),
        "weights_sha256": record.files[ENCODER],
        "embedding_dim": record.embedding_dim,
    }
