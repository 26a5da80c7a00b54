"""A sweep as people write it first: a Ray Tune function that reads, normalises and trains with PyTorch Lightning.

    python -m benchmarks.rivals.ray_lightning TASK.json OUT.json FOLDER

FOLDER is for Ray, its results and the MLflow database; its path must be short, because sockets lie in it.

Network, losses, clipping, space, sampler, ASHA and the kNN score are those of the sweep it is compared with. Each
trial is a process of its own, which is Tune's default, and its metrics go to MLflow by Lightning's logger.
"""

from __future__ import annotations

import json
import logging
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import lightning
import mlflow
import numpy as np
import optuna
import ray
import scanpy as sc
import torch
from anndata import AnnData, read_h5ad
from anndata.experimental import AnnCollection, AnnLoader
from lightning import LightningModule, Trainer
from lightning.pytorch.loggers import MLFlowLogger
from ray import tune
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search.optuna import OptunaSearch
from sklearn.metrics import f1_score
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor
from torch.nn.functional import mse_loss
from torchmetrics import MeanSquaredError

from benchmarks.rivals.lightning_mae import Network, plain_autoencoder
from benchmarks.search_task import (
    EMBEDDING_DIMS,
    LEARNING_RATE,
    MASK_RATE,
    SLOTS,
    WEIGHT_DECAY,
    SearchTask,
    read_task,
)
from sslbench.search.cluster import OBJECT_STORE_BYTES, available_cpus

EXPERIMENT, NEIGHBOURS, TARGET_SUM = "sweep", 5, 10_000
DEFAULT = Network(
    name="default network",
    hidden=(256, 256),
    embedding_dim=64,
    norm="layer",
    activation="gelu",
    decoder_width=256,
    decoder_depth=1,
)


class Splits(NamedTuple):
    """Normalised cells in memory."""

    train: AnnData
    val: AnnData


def read_splits(task: SearchTask) -> Splits:
    """Read the file and normalise all of it in memory, as each trial does."""
    adata = read_h5ad(task.file)
    sc.pp.normalize_total(adata, target_sum=TARGET_SUM)
    sc.pp.log1p(adata)
    donors = (task.train_donors, task.val_donors)
    return Splits(*(adata[adata.obs["donor"].isin(named)].copy() for named in donors))


class MaskedAutoencoder(LightningModule):
    """Mean squared error of the hidden entries, and of all entries as a metric at each step."""

    def __init__(self, config: dict[str, Any], *, n_genes: int) -> None:
        super().__init__()
        self.save_hyperparameters(config)
        network = replace(DEFAULT, embedding_dim=config["embedding_dim"])
        self.network = plain_autoencoder(network, n_genes)
        self.mse = MeanSquaredError()

    def training_step(self, minibatch: AnnCollection, _: int) -> Tensor:
        x = minibatch.X
        hidden = torch.bernoulli(torch.full_like(x, self.hparams["mask_rate"])).bool()
        predicted = self.network(x.masked_fill(hidden, 0.0))
        loss = (mse_loss(predicted, x, reduction="none") * hidden).sum() / hidden.sum()
        self.mse(predicted, x)
        self.log_dict({"train_loss": loss, "train_mse": self.mse}, on_step=True, batch_size=len(x))
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(
            self.parameters(),
            lr=self.hparams["learning_rate"],
            weight_decay=self.hparams["weight_decay"],
        )


class ReportKnn(lightning.Callback):
    """Scores the embedding every few updates and tells Tune the best score so far."""

    def __init__(self, splits: Splits, *, every: int) -> None:
        self.splits, self.every, self.best = splits, every, 0.0
        self.started = time.time()

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        self.started = time.time()

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: object, batch: object, index: int
    ) -> None:
        if trainer.global_step % self.every == 0:
            self.best = max(self.best, knn_macro_f1(module, self.splits))
            tune.report(
                {
                    "updates": trainer.global_step,
                    "objective": self.best,
                    "training_started": self.started,
                    "reported": time.time(),
                }
            )


def knn_macro_f1(module: MaskedAutoencoder, splits: Splits) -> float:
    """Return macro F1 of validation cells whose label is voted by their nearest training cells."""
    train, val = splits
    knn = KNeighborsClassifier(n_neighbors=NEIGHBOURS)
    knn.fit(embedded(module, train), train.obs["cell_type"])
    truth = val.obs["cell_type"].to_numpy()
    predicted = knn.predict(embedded(module, val))
    return float(f1_score(truth, predicted, average="macro", labels=np.unique(truth)))


def embedded(module: MaskedAutoencoder, adata: AnnData) -> np.ndarray:
    """Return the embedding of all cells, in eval mode."""
    module.eval()
    with torch.no_grad():
        z = module.network[0](torch.from_numpy(adata.X.toarray())).numpy()  # its encoder
    module.train()
    return z


def train_one(config: dict[str, Any], *, task: SearchTask, tracking: str) -> None:
    """Run one trial, from the file to the last report."""
    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    lightning.seed_everything(task.seed, verbose=False)
    splits = read_splits(task)
    torch.set_num_threads(1)  # scanpy's compiled code has changed it
    loader = AnnLoader(splits.train, batch_size=task.minibatch_size, shuffle=True, drop_last=True)
    Trainer(
        max_steps=task.max_updates,
        accelerator="cpu",
        gradient_clip_val=1.0,
        logger=MLFlowLogger(experiment_name=EXPERIMENT, tracking_uri=tracking),
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[ReportKnn(splits, every=task.evaluate_every)],
    ).fit(MaskedAutoencoder(config, n_genes=splits.train.n_vars), loader)


def tuner(task: SearchTask, *, tracking: str, results: Path) -> tune.Tuner:
    """Return the sweep."""
    n_startup = max(4, min(10, task.n_trials // 3))
    sampler = optuna.samplers.TPESampler(
        seed=task.seed,
        multivariate=True,
        group=True,
        constant_liar=True,
        n_startup_trials=n_startup,
    )
    trainable = partial(train_one, task=task, tracking=tracking)
    return tune.Tuner(
        tune.with_resources(trainable, {"cpu": 1}),
        param_space={
            "learning_rate": tune.loguniform(*LEARNING_RATE),
            "weight_decay": tune.loguniform(*WEIGHT_DECAY),
            "mask_rate": tune.uniform(*MASK_RATE),
            "embedding_dim": tune.choice(EMBEDDING_DIMS),
        },
        tune_config=tune.TuneConfig(
            metric="objective",
            mode="max",
            search_alg=OptunaSearch(sampler=sampler),
            scheduler=ASHAScheduler(
                time_attr="updates",
                max_t=task.max_updates,
                grace_period=min(task.first_rung, task.max_updates),
                reduction_factor=task.reduction_factor,
                stop_last_trials=False,
            ),
            num_samples=task.n_trials,
            max_concurrent_trials=SLOTS,
        ),
        run_config=tune.RunConfig(name="tune", storage_path=str(results), verbose=0),
    )


@contextmanager
def small_ray(folder: Path) -> Iterator[None]:
    """Have Ray started as this project starts it: with as little as can be."""
    ray.init(
        address="local",
        num_cpus=available_cpus(),
        include_dashboard=False,
        object_store_memory=OBJECT_STORE_BYTES,
        log_to_driver=False,
        _temp_dir=str(folder),
        _node_ip_address="127.0.0.1",
    )
    try:
        yield
    finally:
        ray.shutdown()


def main() -> None:
    """Run the sweep and write the last report of each trial."""
    task_file, out, folder = map(Path, sys.argv[1:])
    task, tracking = read_task(task_file), f"sqlite:///{folder.absolute() / 'mlflow.db'}"
    mlflow.set_tracking_uri(tracking)
    mlflow.create_experiment(EXPERIMENT)  # now, because two processes cannot make one database
    with small_ray(folder / "ray"):
        found = tuner(task, tracking=tracking, results=folder / "results").fit()
    if found.num_errors:
        raise RuntimeError(f"{found.num_errors} trials failed, the first: {found.errors[0]}")
    keys = ("updates", "objective", "training_started", "reported")
    last = [{key: result.metrics[key] for key in keys} for result in found]
    out.write_text(json.dumps(last), encoding="utf-8")


if __name__ == "__main__":
    from benchmarks.rivals import ray_lightning  # workers import what they run by this name

    ray_lightning.main()
