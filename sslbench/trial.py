"""One trial, from cells to scores: the whole experiment as one readable function."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from sslbench.checkpoint import save_checkpoint
from sslbench.config import TrialConfig
from sslbench.data.cells import Cells
from sslbench.data.labels import label_points
from sslbench.data.store import open_cells, read_manifest
from sslbench.pretext.base import Pretext
from sslbench.pretraining import OnReport, part, pretrained
from sslbench.registry import PRETEXTS
from sslbench.results import KeptEncoder, TrialResult
from sslbench.resumption import Resumption
from sslbench.scoring import embedding_frame, has_map, judge, predictions_frame, units_frame
from sslbench.weights import weights_fingerprint

CHECKPOINT, PREDICTIONS, UNITS = "checkpoint", "predictions.parquet", "units.parquet"
EMBEDDING = "embedding.parquet"  # of some test cells: enough to draw a map


def run_trial(
    config: TrialConfig,
    *,
    store: Path,
    workdir: Path,
    report: OnReport,
    corpus: Path | None = None,
    device: str = "cpu",
    score_test: bool = False,
    provenance: dict[str, str] | None = None,
    resumption: Resumption | None = None,
    alive: Callable[[], None] = lambda: None,
) -> TrialResult:
    """Pretrain and evaluate one encoder; the same config on the same store gives bit-equal scores on CPU.

    `report` receives a point of the curve at every evaluation and may raise to stop the trial. With a `resumption`
    the trial goes on from what its earlier attempts have kept, to the same scores; their points are reported again.
    Where nothing is reported, at further label points and between evaluations, `alive` is called.
    The encoder is pretrained on the store `corpus` if the config names one, else on the training cells of `store`.
    Test cells are opened only if `score_test`; then all cells count, while what a trial is stopped and chosen by is
    scored on a fixed part of them, scores at each of `label_fractions` are added, and the checkpoint (where the
    pretext task leaves one), the test predictions, the scores of units and the embedding of some test cells (where it
    has one) are written to `workdir`.

    Raises
    ------
    DivergedError
        If a loss, an embedding or a score is not finite.
    CollapsedError
        If cells lose their differences in the embedding of a task whose embedding can collapse; that report
        is not scored.
    """
    started = time.monotonic()
    train, val = open_cells(store, "train"), open_cells(store, "val")
    points = label_points(
        train,
        val,
        fraction=config.label_fraction,
        further=config.label_fractions if score_test else (),
        seed=config.seed,
    )
    cells = open_cells(corpus, "train") if corpus is not None else None
    groups = [points] if not learns_from_labels(config) else [[point] for point in points]
    test = open_cells(store, "test") if score_test else None
    judged, encoders, main = [], {}, None
    for i, group in enumerate(groups):
        # the trial is stopped and shown by its first label point alone
        told = report if main is None else lambda _: alive()
        kept = resumption.of(i) if resumption is not None else None
        trained = pretrained(config, group, cells=cells, device=device, report=told, kept=kept)
        main = main or trained
        for point in group:
            best = trained.courses[point.fraction]
            trained.pretext.load_state_dict(best.best_weights)
            encoders[f"{point.fraction:g}"] = KeptEncoder(
                pretraining=i,
                updates=best.best_updates,
                weights=weights_fingerprint(trained.pretext.encoder),
            )
            seen = part(point, objective=config.objective) if test is None else point
            judged.append(judge(config, trained.pretext, seen, test=test, device=device))
            alive()
    assert main is not None
    course = main.courses[config.label_fraction]
    scores = {key: value for one in judged for key, value in one.scores.items()}
    if test is not None:
        predictions_frame(test, judged).to_parquet(workdir / PREDICTIONS, index=False)
        units_frame(judged).to_parquet(workdir / UNITS, index=False)
        main.pretext.load_state_dict(course.best_weights)
        if has_map(main.pretext):
            frame = embedding_frame(main.pretext, test, device)
            frame.to_parquet(workdir / EMBEDDING, index=False)
        if main.pretext.leaves_checkpoint:
            keep_checkpoint(
                workdir / CHECKPOINT, config, main.pretext, train, scores, store, provenance or {}
            )
    return TrialResult(
        scores=scores,
        best_updates=course.best_updates,
        updates=course.curve[-1].updates,
        seconds=time.monotonic() - started if resumption is None else resumption.seconds,
        curve=tuple(course.curve),
        n_parameters=sum(p.numel() for p in main.pretext.encoder.parameters()),
        regime=main.pretext.regime,
        encoders=encoders,
        holes={name: why for one in judged for name, why in one.holes.items()},
    )


def learns_from_labels(config: TrialConfig) -> bool:
    """Say whether the encoder itself learns from labels, so that fewer of them are another encoder."""
    return bool(PRETEXTS.constant(config.pretext.name, "sees_labels"))


def keep_checkpoint(
    folder: Path,
    config: TrialConfig,
    pretext: Pretext,
    train: Cells,
    scores: dict[str, float],
    store: Path,
    provenance: dict[str, str],
) -> None:
    """Write the folder that explains itself."""
    manifest = read_manifest(store)
    save_checkpoint(
        folder,
        encoder=pretext.encoder,
        classifier=pretext.classifier,
        config=config,
        genes=train.genes,
        label_names=train.label_names,
        scores=scores,
        provenance=provenance,
        data={
            "dataset": manifest.dataset,
            "data_fingerprint": manifest.fingerprint,
            "source": manifest.source,
            "licence": manifest.licence,
            "citation": manifest.citation,
        },
    )
