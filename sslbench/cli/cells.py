"""The cells of a sweep, made ready: the target's store, and the store of the corpus where the sweep has one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from sslbench.cli import terminal
from sslbench.cli.places import Home
from sslbench.config import fingerprint
from sslbench.data.catalogue import DatasetSpec, load_dataset
from sslbench.data.manifest import StoreManifest, read_manifest
from sslbench.data.report import describe_corpus, describe_data, describe_split
from sslbench.data.store_writer import GENES
from sslbench.search.spec import SweepSpec


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """Stores on disk and what they say of themselves."""

    store: Path
    manifest: StoreManifest
    corpus: Path | None = None
    corpus_manifest: StoreManifest | None = None
    left_out: tuple[str, ...] = ()  # arms and tasks of the sweep file that these cells do not allow

    @property
    def fingerprint(self) -> str:
        """16 hex digits over all cells that a trial may see."""
        if self.corpus_manifest is None:
            return self.manifest.fingerprint
        return fingerprint([self.manifest.fingerprint, self.corpus_manifest.fingerprint])


def prepared(dataset: DatasetSpec, spec: SweepSpec, home: Home) -> tuple[SweepSpec, Prepared]:
    """Build the stores that are not there yet and print a line about each; return the sweep as these cells allow it.

    The controls that every sweep gets are in it.
    Cells decide what of it can be scored if they have no labels, and else at which fractions of their labels
    arms can be searched anew.
    """
    from sslbench.data.store import open_cells
    from sslbench.search.controls import with_controls
    from sslbench.search.retuning import retuned
    from sslbench.search.unlabelled import without_labels

    left_out: tuple[str, ...] = ()
    if dataset.label_key is None:
        spec, left_out = without_labels(spec)
        terminal.say(
            "labels",
            f"none: {', '.join(left_out)} cannot be ranked; the others are, by {spec.objective.metric}",
        )
    spec = with_controls(spec)
    with terminal.working("preparing the cells"):
        ready = replace(built(dataset, spec, home), left_out=left_out)
    terminal.say("data", describe_data(ready.manifest))
    terminal.say("split", describe_split(ready.manifest))
    if ready.corpus_manifest is not None:
        for line in describe_corpus(ready.corpus_manifest):
            terminal.say("corpus", line)
    return retuned(spec, open_cells(ready.store, "train")), ready


def built(dataset: DatasetSpec, spec: SweepSpec, home: Home) -> Prepared:
    """Return the stores of a sweep, built where they are not there yet."""
    from sslbench.data.store import prepare_store

    n_top_genes = spec.dataset.n_top_genes
    if not spec.corpus:
        store = prepare_store(dataset, n_top_genes=n_top_genes, root=home.stores)
        return Prepared(store=store, manifest=read_manifest(store))
    from sslbench.data.corpus import prepare_corpus

    corpus = prepare_corpus(
        [load_dataset(name) for name in spec.corpus],
        target=dataset,
        scenario=spec.scenario,
        n_top_genes=n_top_genes,
        root=home.stores,
    )
    genes = tuple((corpus / GENES).read_text(encoding="utf-8").splitlines())
    store = prepare_store(dataset, n_top_genes=n_top_genes, root=home.stores, genes=genes)
    return Prepared(
        store=store,
        manifest=read_manifest(store),
        corpus=corpus,
        corpus_manifest=read_manifest(corpus),
    )
