"""Small cells and everything that can be wrong with them; each fault changes a fresh AnnData in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anndata
import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

from tests.factories import synthetic_adata

Fault = Callable[[anndata.AnnData], anndata.AnnData | None]


def cells() -> anndata.AnnData:
    """90 cells x 60 genes of 3 types from 3 donors, raw counts in X, obs as plain words."""
    adata = synthetic_adata(n_cells=90, n_donors=3)
    adata.obs = adata.obs.astype(str).astype(object)
    return adata


def named_like(symbols: int, ids: int) -> list[str]:
    """Names of 60 genes: so many symbols, so many Ensembl ids of well-known genes, the rest novel genes' ids."""
    names = [f"GEN{i}A" for i in range(symbols)] + [f"ENSG{i + 1_000:011d}" for i in range(ids)]
    return names + [f"ENSG{i + 260_000:011d}" for i in range(60 - len(names))]


def with_values(change: Callable[[np.ndarray], np.ndarray]) -> Fault:
    """The counts (n_cells, n_genes) replaced by what `change` makes of them."""

    def fault(adata: anndata.AnnData) -> None:
        adata.X = csr_matrix(change(adata.X.toarray()))

    return fault


def with_value(value: float) -> Fault:
    """One value, of cell3 and gene G00004, replaced."""

    def change(x: np.ndarray) -> np.ndarray:
        x = x.astype(np.float64)
        x[3, 4] = value
        return x

    return with_values(change)


def with_labels(change: Callable[[pd.Series], pd.Series]) -> Fault:
    """The column of cell types replaced by what `change` makes of it."""

    def fault(adata: anndata.AnnData) -> None:
        adata.obs["cell_type"] = change(adata.obs["cell_type"])

    return fault


def with_column(key: str, values: Callable[[anndata.AnnData], Any]) -> Fault:
    """A column of obs set to what `values` makes of the cells."""

    def fault(adata: anndata.AnnData) -> None:
        adata.obs[key] = values(adata)

    return fault


def with_genes(names: list[str]) -> Fault:
    """The genes renamed."""

    def fault(adata: anndata.AnnData) -> None:
        adata.var_names = names

    return fault


def every_other(value: str) -> Callable[[pd.Series], pd.Series]:
    """Every other cell of the first type called something else."""

    def change(labels: pd.Series) -> pd.Series:
        first = np.flatnonzero(labels == "type0")[::2]
        labels = labels.replace("type0", "T cell é")
        labels.iloc[first] = value
        return labels

    return change


def log_normalised(x: np.ndarray) -> np.ndarray:
    return np.log1p(x / x.sum(axis=1, keepdims=True) * 1e4)


def tpm(x: np.ndarray) -> np.ndarray:
    x = x / np.linspace(0.5, 3, x.shape[1])
    return x / x.sum(axis=1, keepdims=True) * 1e6


def confounded(adata: anndata.AnnData) -> None:
    """One type a donor, one donor a batch: three columns that say the same."""
    adata.obs["cell_type"] = adata.obs["batch"] = adata.obs["donor"]


def with_labels_of(chosen: Callable[[anndata.AnnData], pd.Series], label: str) -> Fault:
    """Half of the chosen cells called by another label."""

    def fault(adata: anndata.AnnData) -> None:
        rows = np.flatnonzero(chosen(adata))[::2]
        adata.obs.iloc[rows, adata.obs.columns.get_loc("cell_type")] = label

    return fault


def empty_cells(n: int) -> Fault:
    """The first `n` cells without counts."""

    def change(x: np.ndarray) -> np.ndarray:
        x[:n] = 0
        return x

    return with_values(change)


def copied_across_donors(adata: anndata.AnnData) -> None:
    """The first cells of donor d0 again, as cells of d1 under names of their own."""
    x = adata.X.toarray()
    there, copies = (np.flatnonzero(adata.obs["donor"] == donor)[:5] for donor in ("d0", "d1"))
    x[copies] = x[there]
    adata.X = csr_matrix(x)


def two_slots(difference: int) -> Fault:
    """Counts in layers["counts"] and in .raw, one value of the layer larger by `difference`."""

    def fault(adata: anndata.AnnData) -> None:
        adata.raw = adata.copy()
        adata.layers["counts"] = adata.X.copy()
        adata.layers["counts"][3, 4] += difference
        adata.X = csr_matrix(log_normalised(adata.X.toarray()))

    return fault


def names_repeated(adata: anndata.AnnData, axis: str) -> None:
    names = getattr(adata, axis).tolist()
    setattr(adata, axis, [names[1], *names[1:]])


def only_in_test(adata: anndata.AnnData) -> None:
    """A type that lives in the donor of the test cells alone."""
    rare = np.flatnonzero(adata.obs["donor"] == "d1")[:8]  # equal donors: the second is tested on
    adata.obs.iloc[rare, adata.obs.columns.get_loc("cell_type")] = "only in test"


def odd_names(adata: anndata.AnnData) -> None:
    """Names that would be paths, markup or nothing elsewhere."""
    for name in ("..", "a/b", "<script>alert(1)</script>", "\u202eeman", "🧬", "n" * 300):
        adata.obsm[name] = np.ones((adata.n_obs, 2))
        adata.obs[name] = name
        adata.uns[name] = name
    adata.obs["cell_type"] = adata.obs["cell_type"].replace("type1", "<img src=x onerror=1>/../🧬")


def one_mutation() -> dict[str, tuple[str | None, Fault]]:
    """Name of each fault → its code (None: it works all the same) and what it does to the cells."""
    return {
        "a negative count": ("D101", with_value(-2)),
        "NaN among the counts": ("D102", with_value(np.nan)),
        "an infinite count": ("D103", with_value(np.inf)),
        "log-normalised values": ("D104", with_values(log_normalised)),
        "z-scored values": ("D105", with_values(lambda x: (x - x.mean(0)) / (x.std(0) + 1))),
        "counts times a half": ("D106", with_values(lambda x: x * 0.5)),
        "TPM": ("D107", with_values(tpm)),
        "a count that float32 cannot hold": ("D108", with_value(2**24 + 2)),
        "identifiers in the place of counts": ("D108", with_values(lambda x: x * 10**9)),
        "saturated uint16": (
            "D108",
            with_values(lambda x: np.clip(x * 3_000, 0, 65_535).astype(np.uint16)),
        ),
        "four cells of ninety without counts": (None, empty_cells(4)),
        "a tenth of the cells without counts": ("D109", empty_cells(9)),
        "genes without counts": (None, with_values(lambda x: x * (np.arange(60) > 5))),
        "no cells": ("D110", lambda a: a[:0].copy()),
        "one cell": ("D110", lambda a: a[:1].copy()),
        "no genes": ("D110", lambda a: a[:, :0].copy()),
        "one gene": ("D110", lambda a: a[:, :1].copy()),
        "fewer cells than anything can be told from": ("D142", lambda a: a[:6].copy()),
        "two genes of one name": ("D120", lambda a: names_repeated(a, "var_names")),
        "two cells of one name": ("D121", lambda a: names_repeated(a, "obs_names")),
        "symbols and Ensembl ids mixed": ("D134", with_genes(named_like(30, 30))),
        "novel genes' ids among symbols": (None, with_genes(named_like(30, 3))),
        "versions of Ensembl ids": (
            None,
            with_genes([f"{name}.{i}" for i, name in enumerate(named_like(0, 60))]),
        ),
        "gene names that became dates": (
            "D135",
            with_genes(["2-Sep", "Mar-01", *named_like(58, 0)[:58]]),
        ),
        "a gene name of two lines": ("D136", with_genes(["A\nB", *named_like(59, 0)[:59]])),
        "a gene without a name": ("D136", with_genes([" ", *named_like(59, 0)[:59]])),
        "no column of that name": (
            "D140",
            lambda a: a.obs.insert(0, "type", a.obs.pop("cell_type")),
        ),
        "cells without a label": (
            "D141",
            with_labels(lambda y: y.where(np.arange(len(y)) > 4, other=np.nan)),
        ),
        "categories of which some cells have none": (
            "D141",
            with_labels(lambda y: y.where(np.arange(len(y)) > 4).astype("category")),
        ),
        "numbers as labels of which some are missing": (
            "D141",
            with_labels(
                lambda y: (
                    pd.Series(pd.factorize(y)[0], y.index).astype("Int64").where(lambda n: n > 0)
                )
            ),
        ),
        "one class": ("D142", with_labels(lambda y: y.map(lambda _: "T"))),
        "a class of one cell": (
            None,
            with_labels(lambda y: y.where(np.arange(len(y)) > 0, "rare")),
        ),
        "a class in test that training lacks": (None, only_in_test),
        "a class of one donor": (None, with_labels_of(lambda a: a.obs["donor"] == "d2", "private")),
        "labels that differ by case": ("D145", with_labels(every_other("t cell é"))),
        "labels that differ by blanks": ("D145", with_labels(every_other("T  cell é "))),
        "labels that differ by unicode form": ("D145", with_labels(every_other("T cell e\u0301"))),
        "categories that no cell has": (
            None,
            with_labels(lambda y: y.astype("category").cat.add_categories(["TYPE0", "gone"])),
        ),
        "whole numbers as labels": (
            None,
            with_labels(lambda y: pd.Series(pd.factorize(y)[0], y.index)),
        ),
        "fractions as labels": (
            None,
            with_labels(lambda y: pd.Series(pd.factorize(y)[0], y.index) / 2),
        ),
        "truth values as labels": (None, with_labels(lambda y: y == "type0")),
        "labels that are the donors": ("D147", with_column("cell_type", lambda a: a.obs["donor"])),
        "labels that are clusters renamed": (
            None,
            with_column("leiden", lambda a: a.obs["cell_type"].astype(str).str[-1]),
        ),
        "one donor": ("D150", with_column("donor", lambda a: ["d0"] * a.n_obs)),
        "donors and batches that are the labels": ("D147", confounded),
        "donors within batches": (
            None,
            with_column("batch", lambda a: (a.obs["donor"] == "d2").map({True: "b", False: "a"})),
        ),
        "cells without a donor": (
            "D152",
            with_column(
                "donor", lambda a: a.obs["donor"].where(np.arange(a.n_obs) > 4).astype("category")
            ),
        ),
        "cells without a batch": (
            None,
            with_column(
                "batch", lambda a: a.obs["batch"].where(np.arange(a.n_obs) > 4).astype("category")
            ),
        ),
        "batches that are the donors": (None, with_column("batch", lambda a: a.obs["donor"])),
        "the same cell under two names": ("D151", copied_across_donors),
        "layers and raw that disagree": ("D160", two_slots(difference=7)),
        "layers and raw that agree": (None, two_slots(difference=0)),
        "names that are paths or markup": (None, odd_names),
        "a name that leads out": (None, lambda a: a.obsm.update({"../x": np.ones((90, 2))})),
        "places of spots": (None, lambda a: a.obsm.update({"spatial": np.ones((90, 2))})),
        "a missing value written as NA": (
            None,
            with_labels(lambda y: y.where(np.arange(len(y)) > 4, "NA").astype("category")),
        ),
    }
