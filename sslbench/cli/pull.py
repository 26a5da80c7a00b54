"""`sslbench pull`: the winner as a folder."""

from __future__ import annotations

import shutil
from contextlib import AbstractContextManager
from pathlib import Path

from sslbench.champion import champion
from sslbench.cli import terminal
from sslbench.cli.places import Home
from sslbench.cli.question import newest
from sslbench.durable import replaced
from sslbench.errors import ConfigError, RefusedError
from sslbench.ledger import Ledger

CHECKPOINT = "checkpoint"


def pull_best(home: Home, *, sweep: str | None, to: Path, force: bool) -> None:
    """Copy the checkpoint of the best confirm trial by validation from the ledger."""
    folder, question = newest(home, sweep)
    ledger = Ledger(folder)
    best = champion(ledger.records().values())
    attempt = ledger.attempt(best.record.uid) if best is not None else None
    if best is None or attempt is None:
        raise ConfigError(
            f"the sweep {question.sweep!r} has no confirmed model yet",
            code="C041",
            where=str(folder),
            fix=f"make sweep SWEEP={question.sweep}",
        )
    with _taking_its_place(to, force=force) as new:
        new.mkdir()
        for name in best.record.files:  # the ledger has compared them with their hashes
            if name.startswith(f"{CHECKPOINT}/"):
                shutil.copyfile(attempt.folder / name, new / Path(name).name)
    terminal.say("pulled", f"{best.record.arm} ({question.sweep} on {best.record.dataset}) -> {to}")
    score = f"{best.validation:.3f} mean validation score ({best.protocol}, {best.n_seeds} seeds)"
    terminal.say("chosen", f"by validation: {score}; this is seed {best.record.config['seed']}")
    _say_how(to)


def pull_registered(home: Home, *, model: str, to: Path, force: bool) -> None:
    """Download the champion of a registered model from the tracking server."""
    from sslbench.tracking.registry import pull_from_registry
    from sslbench.tracking.store import store_uri

    with _taking_its_place(to, force=force) as new:
        pull_from_registry(store_uri(home.folder), model, new)
    terminal.say("pulled", f"{model}@champion -> {to}")
    _say_how(to)


def _taking_its_place(to: Path, *, force: bool) -> AbstractContextManager[Path]:
    """Give a place for the model that then becomes `to`; what an earlier pull left there stays until then."""
    _refuse_occupied(to, force=force)
    return replaced(to)


def _refuse_occupied(to: Path, *, force: bool) -> None:
    """Replace only what an earlier pull has written, and only if asked."""
    if not to.exists():
        return
    if not (to / "checkpoint.json").is_file():
        raise RefusedError(f"{to} exists and is no model folder", fix="choose another --to")
    if not force:
        raise RefusedError(f"{to} holds a model already", fix="--force replaces it")


def _say_how(to: Path) -> None:
    lines = [
        'adata = sc.read_h5ad("my.h5ad")',
        f'sslbench.embed(adata, model="{to}")     # obsm["X_sslbench"]',
        'sc.pp.neighbors(adata, use_rep="X_sslbench"); sc.tl.umap(adata); sc.pl.umap(adata)',
    ]
    for line in lines:
        terminal.out.print(f"  {line}", markup=False)
