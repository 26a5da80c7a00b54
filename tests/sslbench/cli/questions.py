"""Questions as a sweep leaves them in its ledger folder."""

from __future__ import annotations

from typing import Any

from sslbench.cli.question import Question
from sslbench.search.spec import SweepSpec


def manifest(**changes: Any) -> dict[str, Any]:
    given = {
        "dataset": "pbmc_cite", "title": "", "source": "", "licence": "", "citation": "", "fingerprint": "f" * 16,
        "split_hash": "", "source_file": "", "source_sha256": "", "counts_slot": "X", "counts_reason": "whole numbers",
        "n_cells": 1200, "n_genes": 500, "n_genes_in_source": 500, "n_top_genes": None, "n_empty_cells_dropped": 0,
        "n_excluded_cells": 0, "label_names": ("B", "T"), "excluded_labels": {}, "n_unlabelled": 0, "split_by": "donor",
        "split_rule": "", "cells_per_split": {"train": 1, "val": 1, "test": 1},
        "donors_per_split": {"train": ("a",), "val": ("b",), "test": ("c",)},
        "leak_checks": (("duplicates", True, "none"),), "files": {},
    }  # fmt: skip
    return given | changes


def question_on(data: str, *, spec: SweepSpec, asked_unix_ms: int = 0) -> Question:
    """The question of the sweep `smoke` on one version of its data."""
    return Question(
        sweep="smoke",
        execution="e",
        asked_unix_ms=asked_unix_ms,
        spec=spec.model_dump(mode="json", by_alias=True),
        data=manifest(fingerprint=data),
        store="store",
        command="sslbench sweep smoke",
    )
