"""Build a cell store: check every count, choose labels, split and genes, then write the kept rows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix, vstack

from sslbench.config import canonical_json
from sslbench.data.catalogue import DatasetSpec
from sslbench.data.counts import ChosenSlot, check_block, choose_slot
from sslbench.data.genes import gene_names, highly_variable
from sslbench.data.h5ad import H5adFile, open_h5ad, reporting
from sslbench.data.leaks import LeakCheck, leak_checks, profile_hashes
from sslbench.data.manifest import MANIFEST, StoreManifest
from sslbench.data.obs import CellTable, read_cell_table
from sslbench.data.splits import SPLITS
from sslbench.data.store_writer import COUNTS, GENES, INDICES, INDPTR, StoreWriter
from sslbench.errors import DataError
from sslbench.ledger import write_atomically

CELLS_FOR_GENE_CHOICE = 50_000  # more training cells than these are sampled, to bound memory


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What one pass over all counts has found; arrays over the cells of the file."""

    n_non_zeros: np.ndarray  # (n_cells_in_file,) int64
    profile: np.ndarray  # (n_cells_in_file,) uint64
    largest_count: int


def build_store(
    spec: DatasetSpec, *, source_sha256: str, n_top_genes: int | None, folder: Path
) -> None:
    """Write the store of `spec` into the empty `folder`, its manifest last."""
    with open_h5ad(spec.file) as file:
        _build(spec, file, source_sha256, n_top_genes, folder)


def _build(
    spec: DatasetSpec, file: H5adFile, source_sha256: str, n_top_genes: int | None, folder: Path
) -> None:
    chosen = choose_slot(file, spec.counts)
    genes = gene_names(file.var_names(chosen.slot), where=str(spec.file))
    survey = _survey(file, chosen)
    table = read_cell_table(spec, file.obs(), has_counts=survey.n_non_zeros > 0)
    checks = _passed(table, survey.profile[table.rows], spec)
    columns = _gene_columns(file, chosen, table, n_top_genes)
    writer = StoreWriter(folder, n_genes=len(columns), largest_count=survey.largest_count)
    for rows in _kept_rows(file, chosen, table.rows, columns):
        writer.append(rows)
    names = tuple(genes[i] for i in columns)
    files = writer.finish(obs=table.frame(), genes=names)
    split_hash = _digest([table.frame().to_csv(index=False)])
    content = [files[INDPTR], files[INDICES], files[COUNTS], files[GENES], split_hash]
    manifest = StoreManifest(
        dataset=spec.name,
        title=spec.title,
        source=spec.source,
        licence=spec.licence,
        citation=spec.citation,
        fingerprint=_digest([*content, canonical_json(table.labels.names)]),
        split_hash=split_hash,
        source_file=spec.file.name,
        source_sha256=source_sha256,
        counts_slot=chosen.slot,
        counts_reason=chosen.reason,
        n_cells=len(table.rows),
        n_genes=len(columns),
        n_genes_in_source=len(genes),
        n_top_genes=n_top_genes,
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
        files=files,
    )
    write_atomically(folder / MANIFEST, manifest.model_dump_json(indent=1))


def _survey(file: H5adFile, chosen: ChosenSlot) -> Survey:
    """Check every count, and note what is needed of each cell."""
    n_cells, n_genes = file.shape(chosen.slot)
    if n_cells < 2 or n_genes < 2:
        raise DataError(
            "at least two cells and two genes are needed",
            code="D110",
            where=f"{file.path}, slot {chosen.slot}",
            found=f"{n_cells} cells x {n_genes} genes",
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


def _passed(table: CellTable, profile: np.ndarray, spec: DatasetSpec) -> list[LeakCheck]:
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


def _gene_columns(
    file: H5adFile, chosen: ChosenSlot, table: CellTable, n_top_genes: int | None
) -> np.ndarray:
    """Return the columns of the genes that are kept, chosen on training cells alone."""
    n_genes = file.shape(chosen.slot)[1]
    every = np.arange(n_genes)
    if n_top_genes is None or n_top_genes >= n_genes:
        return every
    train = table.rows[table.split == "train"]
    if len(train) > CELLS_FOR_GENE_CHOICE:
        generator = np.random.default_rng(0)
        train = np.sort(generator.choice(train, CELLS_FOR_GENE_CHOICE, replace=False))
    counts = vstack(list(_kept_rows(file, chosen, train, every)), format="csr")
    return highly_variable(counts, n_top_genes=n_top_genes)


def _kept_rows(
    file: H5adFile, chosen: ChosenSlot, keep: np.ndarray, columns: np.ndarray
) -> Iterator[csr_matrix]:
    """Yield the rows `keep` (ascending) and the given columns, block by block."""
    n_cells = file.shape(chosen.slot)[0]
    blocks = reporting(file.blocks(chosen.slot), what="rows read", n_cells=n_cells)
    for first_row, rows in blocks:
        start, end = np.searchsorted(keep, [first_row, first_row + rows.shape[0]])
        kept = rows if end - start == rows.shape[0] else rows[keep[start:end] - first_row]
        yield kept if len(columns) == rows.shape[1] else kept[:, columns]


def _digest(parts: list[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
