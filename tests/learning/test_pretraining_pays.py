"""Made cells of which it is known whether pretraining can help: the whole tool must tell the two cases apart."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix

from sslbench.data.synthetic import SyntheticDesign, synthetic_adata

pytestmark = pytest.mark.slow

N_TARGET = 2_000
# Genes go together in programmes, types differ by programmes, and cells are shallow: what the genes of a programme
# have in common can be learnt without labels, and tells types apart better than 30 labels can.
DESIGN = SyntheticDesign(
    n_cells=5_000, n_genes=300, n_types=6, n_programmes=12, n_donors=5, depth=400.0,
    type_effect=0.5, cell_effect=0.5, donor_effect=0.1, batch_effect=0.1,
)  # fmt: skip
SWEEP = """\
question: Does a corpus help where labels are few?
dataset: {{name: {folder}/target.yaml}}
scenario: transfer
corpus: [{folder}/corpus.yaml]
label_fraction: 0.025
objective: {{metric: val/linear_probe/macro_f1}}
budget: {{trials: 2, confirm_seeds: {seeds}}}
halving: {{first_rung: 100, reduction_factor: 2}}
training: {{max_updates: 400, evaluate_every: 50, patience: 8}}
evaluation: [{{name: linear_probe}}, {{name: head}}]
arms:
  mae:
    pretext: {{name: masked, mask: random, mask_rate: 0.5}}
    encoder: {{name: mlp}}
    search:
      training/learning_rate: {{log_float: [5.0e-4, 5.0e-3]}}
  supervised:
    pretext: {{name: supervised}}
    encoder: {{name: mlp}}
    objective: val/head/macro_f1
    search:
      training/learning_rate: {{log_float: [5.0e-4, 5.0e-3]}}
"""


@pytest.fixture(scope="module")
def cells() -> anndata.AnnData:
    adata = synthetic_adata(DESIGN)
    adata.var_names = [f"GEN{i}A" for i in range(adata.n_vars)]
    return adata


def described(folder: Path, name: str, adata: anndata.AnnData, *, label_key: str) -> None:
    adata.write_h5ad(folder / f"{name}.h5ad")
    text = f"title: {name}\nfile: {name}.h5ad\nlabel_key: {label_key}\ndonor_key: donor\n"
    (folder / f"{name}.yaml").write_text(text)


def ranked(
    folder: Path, *, target: anndata.AnnData, corpus: anndata.AnnData, seeds: int
) -> pd.DataFrame:
    """What the real command leaves behind of a sweep with this corpus, by arm."""
    described(folder, "target", target, label_key="cell_type")
    described(folder, "corpus", corpus, label_key="null")
    (folder / "pays.yaml").write_text(SWEEP.format(folder=folder, seeds=seeds))
    command = [sys.executable, "-m", "sslbench", "sweep", str(folder / "pays.yaml")]
    done = subprocess.run(
        [*command, "--home", str(folder)], capture_output=True, text=True, check=False, timeout=560
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return pd.read_csv(folder / "reports" / "pays.target.csv").set_index("arm")


def test_a_corpus_of_the_same_programmes_wins_where_labels_are_few(
    cells: anndata.AnnData, tmp_path: Path
) -> None:
    target, corpus = cells[:N_TARGET].copy(), cells[N_TARGET:].copy()
    board = ranked(tmp_path, target=target, corpus=corpus, seeds=8)
    assert board.loc["mae", "difference_low"] > 0  # seen: 0.18
    assert board.loc["supervised", "is_reference"]


def test_a_corpus_in_which_no_gene_goes_with_another_does_not_win(
    cells: anndata.AnnData, tmp_path: Path
) -> None:
    """Each gene keeps its distribution over cells, and that is all: there is nothing to learn from the others."""
    corpus, random = cells[N_TARGET:].copy(), np.random.default_rng(0)
    corpus.X = csr_matrix(random.permuted(corpus.X.toarray(), axis=0))
    board = ranked(tmp_path, target=cells[:N_TARGET].copy(), corpus=corpus, seeds=4)
    assert board.loc["mae", "difference_high"] < 0
