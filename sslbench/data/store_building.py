"""Build a cell store: check every count, choose labels, split and genes, then write the kept rows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix, vstack

from sslbench.config import canonical_json
from sslbench.data.alignment import aligned, columns_of
from sslbench.data.catalogue import DatasetSpec
from sslbench.data.counts import ChosenSlot, check_block, choose_slot
from sslbench.data.genes import gene_names, highly_variable
from sslbench.data.leaks import LeakCheck, leak_checks, profile_hashes
from sslbench.data.manifest import MANIFEST, StoreManifest
from sslbench.data.measured_genes import write_measured
from sslbench.data.obs import CellTable, read_cell_table
from sslbench.data.opening import CellsFile, open_cells_files
from sslbench.data.progress import reporting
from sslbench.data.second_modality import write_modality
from sslbench.data.splits import SPLITS
from sslbench.data.store_writer import COUNTS, GENES, INDICES, INDPTR, StoreWriter
from sslbench.durable import write_atomically
from sslbench.errors import DataError

CELLS_FOR_GENE_CHOICE = 50_000  # more training cells than these are sampled, to bound memory


@dataclass(frozen=True, kw_only=True)
class GenePanel:
    """Which genes a store holds: the most variable on training cells, or exactly those of a corpus."""

    n_top_genes: int | None = None  # None keeps all
    genes: tuple[str, ...] | None = None  # in this order; those that the file lacks count 0


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What one pass over all counts has found; arrays over the cells of the file."""

    n_non_zeros: np.ndarray  # (n_cells_in_file,) int64
    profile: np.ndarray  # (n_cells_in_file,) uint64
    largest_count: int


@dataclass(frozen=True, kw_only=True)
class Source:
    """An opened file whose counts have all been checked."""

    file: CellsFile
    chosen: ChosenSlot
    genes: tuple[str, ...]
    survey: Survey

    def rows(self, keep: np.ndarray, columns: np.ndarray) -> Iterator[csr_matrix]:
        """Yield the rows `keep` (ascending) with the genes at `columns` (-1: 0), block by block."""
        n_cells = self.file.shape(self.chosen.slot)[0]
        blocks = reporting(self.file.blocks(self.chosen.slot), what="rows read", n_cells=n_cells)
        for first_row, rows in blocks:
            start, end = np.searchsorted(keep, [first_row, first_row + rows.shape[0]])
            whole = end - start == rows.shape[0]
            yield aligned(rows if whole else rows[keep[start:end] - first_row], columns)


def build_store(spec: DatasetSpec, *, source_sha256: str, panel: GenePanel, folder: Path) -> None:
    """Write the store of `spec` into the empty `folder`, its manifest last."""
    with open_cells_files(spec.files, counts=spec.counts) as file:
        _build(spec, surveyed(spec, file), source_sha256, panel, folder)


def surveyed(spec: DatasetSpec, file: CellsFile) -> Source:
    """Choose the slot of the counts, check every one of them, and note what is needed of each cell."""
    chosen = choose_slot(file, spec.counts)
    genes = gene_names(file.var_names(chosen.slot), where=str(spec.file))
    return Source(file=file, chosen=chosen, genes=genes, survey=_survey(file, chosen))


def _build(
    spec: DatasetSpec, source: Source, source_sha256: str, panel: GenePanel, folder: Path
) -> None:
    survey = source.survey
    table = read_cell_table(spec, source.file.obs(), has_counts=survey.n_non_zeros > 0)
    checks = passed_leak_checks(table, survey.profile[table.rows], spec)
    names = panel.genes or _chosen_genes(source, table, panel.n_top_genes)
    columns = columns_of(names, source=source.genes)
    writer = StoreWriter(folder, n_genes=len(columns), largest_count=survey.largest_count)
    for rows in source.rows(table.rows, columns):
        writer.append(rows)
    beside = (
        *write_measured(folder, columns[None, :] >= 0, study=np.zeros(len(table.rows), int)),
        *write_modality(folder, spec.modality, source, keep=table.rows),
    )
    files = writer.finish(obs=table.frame(), genes=names, beside=beside)
    split_hash = digest([table.frame().to_csv(index=False)])
    content = [files[name] for name in (INDPTR, INDICES, COUNTS, GENES, *beside)]
    manifest = StoreManifest(
        dataset=spec.name,
        title=spec.title,
        source=spec.source,
        licence=spec.licence,
        citation=spec.citation,
        fingerprint=digest([*content, split_hash, canonical_json(table.labels.names)]),
        split_hash=split_hash,
        source_file=spec.file.name,
        source_sha256=source_sha256,
        counts_slot=source.chosen.slot,
        counts_reason=source.chosen.reason,
        n_cells=len(table.rows),
        n_genes=len(columns),
        n_genes_in_source=len(source.genes),
        n_top_genes=panel.n_top_genes,
        n_genes_missing=int((columns < 0).sum()),
        n_empty_cells_dropped=table.n_empty,
        n_excluded_cells=table.n_excluded,
        label_names=table.labels.names,
        excluded_labels=table.labels.excluded,
        n_unlabelled=int((table.label < 0).sum()),
        split_by="donor" if spec.donor_key else "cell",
        split_rule=table.split_rule,
        cells_per_split={s: int((table.split == s).sum()) for s in SPLITS},
        donors_per_split={s: table.donors_of(s) for s in SPLITS},
        leak_checks=tuple((c.name, c.ok, c.detail) for c in checks),
        modality=spec.modality.kind if spec.modality else "",
        files=files,
    )
    write_atomically(folder / MANIFEST, manifest.model_dump_json(indent=1))


def _survey(file: CellsFile, chosen: ChosenSlot) -> Survey:
    """Check every count, and note what is needed of each cell."""
    n_cells, n_genes = file.shape(chosen.slot)
    if n_cells < 2 or n_genes < 2:
        raise DataError(
            "at least two cells and two genes are needed",
            code="D110",
            where=f"{file.path}, slot {chosen.slot}",
            found=f"{n_cells} cells x {n_genes} genes",
            fix="is this the right file, and was it not filtered to nothing?",
        )
    n_non_zeros, profiles, largest = [], [], 0.0
    blocks = reporting(file.blocks(chosen.slot), what="counts checked", n_cells=n_cells)
    for first_row, rows in blocks:
        check_block(file, chosen.slot, first_row=first_row, rows=rows)
        n_non_zeros.append(np.diff(rows.indptr).astype(np.int64))
        profiles.append(profile_hashes(rows))
        largest = max(largest, float(rows.data.max(initial=0)))
    return Survey(
        n_non_zeros=np.concatenate(n_non_zeros),
        profile=np.concatenate(profiles),
        largest_count=int(largest),
    )


def passed_leak_checks(table: CellTable, profile: np.ndarray, spec: DatasetSpec) -> list[LeakCheck]:
    """Return the leak checks; raise DataError with the first that fails."""
    checks = leak_checks(
        split=table.split, donor=table.donor, cell=table.cell, label=table.label, profile=profile
    )
    codes = {"labels": "D147", "label set": "D144"}
    for check in checks:
        if not check.ok:
            raise DataError(
                f"the split leaks: {check.name}",
                code=codes.get(check.name, "D151"),
                where=str(spec.file),
                found=check.detail,
                fix="remove the copies, or choose other splits or another label_key",
            )
    return checks


def _chosen_genes(source: Source, table: CellTable, n_top_genes: int | None) -> tuple[str, ...]:
    """Return the genes that are kept, chosen on training cells alone."""
    if n_top_genes is None or n_top_genes >= len(source.genes):
        return source.genes
    train = table.rows[table.split == "train"]
    counts = sampled_counts(source, train, np.arange(len(source.genes)))
    return tuple(source.genes[i] for i in highly_variable(counts, n_top_genes=n_top_genes))


def sampled_counts(source: Source, rows: np.ndarray, columns: np.ndarray) -> csr_matrix:
    """Return counts of the cells at `rows`, or of `CELLS_FOR_GENE_CHOICE` of them, to choose genes on."""
    if len(rows) > CELLS_FOR_GENE_CHOICE:
        generator = np.random.default_rng(0)
        rows = np.sort(generator.choice(rows, CELLS_FOR_GENE_CHOICE, replace=False))
    return vstack(list(source.rows(rows, columns)), format="csr")


def digest(parts: Sequence[str]) -> str:
    """Return the first 16 hex digits of the SHA-256 of lines of text."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
