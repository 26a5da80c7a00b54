"""The README.md of a model folder: what the model is, how it was made, how to use it and what not to believe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sslbench.config import TrialConfig
from sslbench.model_folder import CheckpointRecord

_SHOWN_LABELS = 40


def model_card(
    record: CheckpointRecord,
    *,
    config: TrialConfig,
    genes: tuple[str, ...],
    label_names: tuple[str, ...],
) -> str:
    """Return the card as markdown; every text from outside stands in a code span on one line."""
    method = f"{config.pretext.name}/{config.encoder.name}"
    parts = [
        f"# An encoder of single-cell expression: {method}, trained on {_span(config.dataset.name)}",
        "Turns raw counts of cells into an embedding for neighbours, UMAP, clustering and cell typing. "
        f"Made by sslbench; trial `{config.fingerprint()}`, seed {config.seed}.",
        _USE,
        "## Data it learned from\n" + _listed(record.data).rstrip(),
        f"## Input\n{len(genes):,} genes, in the order of `genes.txt`. Raw counts of these genes are "
        f"{_scaled(record.preprocessing['target_sum'])}, then log1p. Genes that your cells lack count as 0; "
        "below half of the genes the model refuses.",
        "## Scores\n" + _score_table(record.scores) + "\n" + _CAVEAT,
        "## Cell types of the data set\n" + _labels(label_names),
        "## How it was made\n" + _choices(config) + _listed(record.provenance),
    ]
    return "\n\n".join(parts) + "\n"


def _scaled(target_sum: float | None) -> str:
    if target_sum is None:
        return "taken as they are"
    return f"scaled to {target_sum:,.0f} a cell (over these genes alone)"


_USE = """## Use
```python
import scanpy as sc, sslbench
adata = sc.read_h5ad("my.h5ad")
sslbench.embed(adata, model="path/of/this/folder")  # obsm["X_sslbench"], float32
sc.pp.neighbors(adata, use_rep="X_sslbench"); sc.tl.umap(adata)
```
Works offline, on a CPU, and needs neither Ray nor MLflow. The folder holds no pickles."""

_CAVEAT = (
    "`val/…` chose this model among others, so it flatters it; `test/…` was computed once, on held-out donors "
    "(cells, where the data set names no donors). Few donors were tested: expect other scores on other "
    "donors, tissues and technologies."
)


def _score_table(scores: Mapping[str, float]) -> str:
    rows = [f"| `{name}` | {scores[name]:.4f} |" for name in sorted(scores)]
    return "\n".join(["| score | value |", "|---|---|", *rows, ""])


def _labels(label_names: tuple[str, ...]) -> str:
    shown = ", ".join(_span(name) for name in label_names[:_SHOWN_LABELS])
    hidden = len(label_names) - _SHOWN_LABELS
    return shown + (f" and {hidden} more, in `labels.json`" if hidden > 0 else "")


def _choices(config: TrialConfig) -> str:
    flat = config.flat()
    shown = (name for name in flat if not name.startswith("dataset/") and flat[name] is not None)
    return _listed({name: flat[name] for name in shown})


def _listed(named: Mapping[str, Any]) -> str:
    return "".join(f"- {name}: {_span(value)}\n" for name, value in named.items())


def _span(value: Any) -> str:
    """Return any text as one code span: no line break, no way out of the backticks."""
    return "`" + " ".join(str(value).replace("`", "'").split()) + "`"
