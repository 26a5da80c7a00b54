"""A pretraining corpus: one or several data sets joined on genes by name, none of whose cells is of the target."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.sparse import vstack

from sslbench.config import Scenario, canonical_json, fingerprint
from sslbench.data.alignment import columns_of
from sslbench.data.catalogue import DatasetSpec
from sslbench.data.gene_ids import as_symbols, kind_of
from sslbench.data.genes import highly_variable
from sslbench.data.joined import refuse_two_species
from sslbench.data.manifest import MANIFEST, STORE_SCHEMA, StoreManifest
from sslbench.data.measured_genes import write_measured
from sslbench.data.obs import KeptCells, kept_cells
from sslbench.data.opening import open_cells_files
from sslbench.data.overlap import (
    refuse_shared_bytes,
    refuse_shared_profiles,
    refuse_shared_studies,
)
from sslbench.data.source_files import content_sha256
from sslbench.data.store import found_here, found_whole, is_whole
from sslbench.data.store_building import Source, digest, sampled_counts, surveyed
from sslbench.data.store_writer import COUNTS, GENES, INDICES, INDPTR, StoreWriter, new_folder
from sslbench.durable import write_atomically
from sslbench.errors import DataError

MIN_GENES = 50
WARN_BELOW = 0.5

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Part:
    """One data set of a corpus: its checked file and the cells that are kept."""

    spec: DatasetSpec
    source: Source
    kept: KeptCells


def prepare_corpus(
    specs: Sequence[DatasetSpec],
    *,
    target: DatasetSpec,
    scenario: Scenario,
    n_top_genes: int | None,
    root: Path,
) -> Path:
    """Return the folder of the corpus's store under `root`, building it if it is not there yet.

    All of its cells are training cells without labels. Genes are those that any of the data sets measured; under
    `transfer` only those that the target measured too. `n_top_genes` of them are chosen on the corpus, among
    those that all of its data sets measured. What a study did not measure is noted for its cells.

    Raises
    ------
    DataError
        D155 if a cell of the target is in the corpus, D133 if the genes are of two species, D156 if a data
        set hardly shares a gene with the target, or what reading raises.
    """
    refuse_shared_studies(target, specs)
    aim, *corpus = found = [found_here(spec) for spec in (target, *specs)]
    refuse_shared_bytes(aim, corpus)
    target, specs = aim[0], [spec for spec, _ in corpus]
    sources = [[digest_of_files, spec.identity()] for spec, digest_of_files in found]
    key = fingerprint([STORE_SCHEMA, sources, scenario, n_top_genes])
    folder = root / f"corpus-{'-'.join(spec.name for spec in specs)[:60]}-{key}"
    if not found_whole(folder):
        with new_folder(folder, is_whole=is_whole) as temporary:
            _build(specs, target, scenario, n_top_genes, temporary)
    return folder


def _build(
    specs: Sequence[DatasetSpec],
    target: DatasetSpec,
    scenario: Scenario,
    n_top_genes: int | None,
    folder: Path,
) -> None:
    with ExitStack() as opened:
        aim, *parts = [_opened(spec, opened) for spec in (target, *specs)]
        parts = [_named_as(aim, part) for part in parts]
        every = [aim.source, *(part.source for part in parts)]
        refuse_two_species([source.file for source in every], [source.genes for source in every])
        guard = [_compared(aim, part) for part in parts]
        among = set(aim.source.genes) if scenario == "transfer" else None
        panel = _panel(parts, among=among, n_top_genes=n_top_genes)
        for part in parts:
            _refuse_few(panel, part, aim)
        if scenario == "zero_shot":
            _warn_of_few(panel, aim)
        _write(parts, panel, guard=guard, n_top_genes=n_top_genes, folder=folder)


def _opened(spec: DatasetSpec, opened: ExitStack) -> Part:
    source = surveyed(spec, opened.enter_context(open_cells_files(spec.files, counts=spec.counts)))
    has_counts = source.survey.n_non_zeros > 0
    kept = kept_cells(spec, source.file.obs(), has_counts=has_counts)
    return Part(spec=spec, source=source, kept=kept)


def _named_as(aim: Part, part: Part) -> Part:
    """Return the part with symbols in the place of Ensembl ids where the target has symbols and its var knows them."""
    kinds = kind_of(aim.source.genes), kind_of(part.source.genes)
    if kinds[0] != "symbols" or not kinds[1].endswith("Ensembl"):
        return part
    table = part.source.file.var(part.source.chosen.slot)
    genes = tuple(as_symbols(part.source.genes, table))
    return replace(part, source=replace(part.source, genes=genes))


def _compared(aim: Part, part: Part) -> str:
    n_compared, n_cells = refuse_shared_profiles(
        aim.source,
        aim.kept.rows,
        part.source,
        part.kept.rows,
        where=f"corpus {part.spec.name}, target {aim.spec.name}",
    )
    named = bool(part.spec.studies and aim.spec.studies)
    rest = "the rest told apart by study"
    if not named:
        rest = "the rest too sparse to compare, and vouched for by nobody: no studies are named"
    beyond = "" if n_compared == n_cells else f", {rest}"
    return f"{part.spec.name}: {n_compared:,} of {n_cells:,} target profiles compared{beyond}"


def _panel(
    parts: Sequence[Part], *, among: set[str] | None, n_top_genes: int | None
) -> tuple[str, ...]:
    """Return the genes of the corpus, in the order in which its data sets name them."""
    union = dict.fromkeys(gene for part in parts for gene in part.source.genes)
    genes = tuple(gene for gene in union if among is None or gene in among)
    if n_top_genes is None:
        return genes
    measured = [set(part.source.genes) for part in parts]
    shared = tuple(gene for gene in genes if all(gene in own for own in measured))
    if n_top_genes >= len(shared):
        return shared
    counts = [
        sampled_counts(part.source, part.kept.rows, columns_of(shared, source=part.source.genes))
        for part in parts
    ]
    chosen = highly_variable(vstack(counts, format="csr"), n_top_genes=n_top_genes)
    return tuple(shared[i] for i in chosen)


def _refuse_few(panel: tuple[str, ...], part: Part, aim: Part) -> None:
    of_target = set(aim.source.genes)
    found = len(of_target & set(panel) & set(part.source.genes))
    if found < MIN_GENES:
        raise DataError(
            "corpus and target hardly share a gene name",
            code="D156",
            where=f"corpus {part.spec.name}, target {aim.spec.name}",
            found=f"{found:,} genes, {MIN_GENES} are needed; the corpus has "
            f"{', '.join(part.source.genes[:3])}, …, the target {', '.join(aim.source.genes[:3])}, …",
            fix="use the same kind of names: symbols or Ensembl ids, of the same species",
        )


def _warn_of_few(panel: tuple[str, ...], aim: Part) -> None:
    found = len(set(panel) & set(aim.source.genes))
    if found < WARN_BELOW * len(panel):
        _log.warning(
            "%s of the %s genes of the corpus are in %s: the others count 0 in every target cell",
            f"{found:,}", f"{len(panel):,}", aim.spec.name,
        )  # fmt: skip


def _write(
    parts: Sequence[Part],
    panel: tuple[str, ...],
    *,
    guard: Sequence[str],
    n_top_genes: int | None,
    folder: Path,
) -> None:
    largest = max(part.source.survey.largest_count for part in parts)
    writer = StoreWriter(folder, n_genes=len(panel), largest_count=largest)
    columns = [columns_of(panel, source=part.source.genes) for part in parts]
    for part, where in zip(parts, columns, strict=True):
        for rows in part.source.rows(part.kept.rows, where):
            writer.append(rows)
    measured = np.stack(columns) >= 0
    study = np.repeat(np.arange(len(parts)), [len(part.kept.rows) for part in parts])
    beside = write_measured(folder, measured, study=study)
    obs = _obs(parts)
    files = writer.finish(obs=obs, genes=panel, beside=beside)
    split_hash = digest([obs.to_csv(index=False)])
    content = [files[name] for name in (INDPTR, INDICES, COUNTS, GENES, *beside)]
    joined = [
        f"{part.spec.name}: {len(part.kept.rows):,} cells, {int(has.sum()):,} of {len(panel):,} genes"
        for part, has in zip(parts, measured, strict=True)
    ]
    manifest = StoreManifest(
        dataset="+".join(part.spec.name for part in parts),
        title="; ".join(part.spec.title for part in parts),
        source="; ".join(part.spec.source for part in parts),
        licence="; ".join(part.spec.licence for part in parts),
        citation="; ".join(part.spec.citation for part in parts),
        fingerprint=digest([*content, canonical_json(joined)]),
        split_hash=split_hash,
        source_file=", ".join(part.spec.file.name for part in parts),
        source_sha256=digest([content_sha256(f) for part in parts for f in part.spec.files]),
        counts_slot=", ".join(dict.fromkeys(part.source.chosen.slot for part in parts)),
        counts_reason="every count checked",
        n_cells=len(obs),
        n_genes=len(panel),
        n_genes_in_source=max(len(part.source.genes) for part in parts),
        n_top_genes=n_top_genes,
        n_empty_cells_dropped=sum(part.kept.n_empty for part in parts),
        n_excluded_cells=sum(part.kept.n_excluded for part in parts),
        label_names=(),
        excluded_labels={},
        n_unlabelled=len(obs),
        split_by="cell",
        split_rule="every cell of a corpus is trained on",
        cells_per_split={"train": len(obs), "val": 0, "test": 0},
        donors_per_split={"train": (), "val": (), "test": ()},
        leak_checks=(),
        joined=tuple(joined),
        guard="; ".join(guard),
        files=files,
    )
    write_atomically(folder / MANIFEST, manifest.model_dump_json(indent=1))


def _obs(parts: Sequence[Part]) -> pd.DataFrame:
    """Return the table of the corpus's cells: no labels, all in train, donors and batches told apart by study."""
    frames = [
        pd.DataFrame(
            {
                "cell": part.kept.cell,
                "donor": [f"{part.spec.name}/{donor}" for donor in part.kept.donor],
                "batch": [f"{part.spec.name}/{batch}" for batch in part.kept.batch],
            }
        )
        for part in parts
    ]
    table = pd.concat(frames, ignore_index=True)
    table = table.assign(label=np.int64(-1), split="train")
    return table.astype({"donor": "category", "batch": "category", "split": "category"})
