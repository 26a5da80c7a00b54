"""Maps of the finalists' test cells in two dimensions: for looks, never for ranking."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from importlib.metadata import version

import numpy as np
import pandas as pd

from sslbench.leaderboard.board import Leaderboard, Row
from sslbench.results import MetricKey, TrialRecord

MAX_MAPS = 8  # a second or two each; more panels are not looked at
N_NEIGHBOURS, MIN_DIST, N_EPOCHS, SEED = 15, 0.3, 200, 20240913
MIN_CELLS = 2 * N_NEIGHBOURS  # fewer are all neighbours of each other, and their map means nothing
_EMBEDDING = r"z\d+"  # the columns of an embedding


def finalists(board: Leaderboard, records: Sequence[TrialRecord]) -> dict[str, str]:
    """Return the confirm trial whose cells stand for each of the first rows and the reference, by arm.

    Of an arm's seeds it is the best by validation under the row's protocol, the lowest uid among equals.
    """
    of_uid = {record.uid: record for record in records}
    rivals = [row for row in board.rows if not row.is_control]
    first, later = rivals[:MAX_MAPS], [row for row in rivals[MAX_MAPS:] if row.is_reference]
    shown = [*first[: MAX_MAPS - len(later)], *later]
    return {row.arm: _best_seed(row, of_uid, metric=board.metric.name) for row in shown}


def map_cells(embedding: pd.DataFrame) -> pd.DataFrame | None:
    """Return row_id, batch and the place x, y of each cell of an embedding table; None of too few cells, or all alike.

    UMAP (McInnes et al. 2018, arXiv 1802.03426) of exact Euclidean neighbours, from PCA, with a fixed seed.
    """
    z = embedding.filter(regex=_EMBEDDING).to_numpy(dtype=np.float32)
    if len(z) < MIN_CELLS or z.shape[1] < 2 or (z == z[0]).all():
        return None
    placed = _umap(z)
    return embedding[["row_id", "batch"]].assign(x=placed[:, 0], y=placed[:, 1])


def made_with() -> str:
    """Return what a map is made with, in words; another text means that kept maps are drawn anew."""
    return f"umap-learn {version('umap-learn')}, {N_NEIGHBOURS} neighbours, least distance {MIN_DIST}, {N_EPOCHS} epochs"


def _best_seed(row: Row, of_uid: dict[str, TrialRecord], *, metric: str) -> str:
    key = str(MetricKey("val", row.protocol, metric))
    results = {uid: of_uid[uid].result for uid in row.uids}
    scores = {uid: result.scores[key] for uid, result in results.items() if result is not None}
    return min(scores, key=lambda uid: (-scores[uid], uid))


def _umap(z: np.ndarray) -> np.ndarray:
    """Return places (n_cells, 2) float32 of an embedding (n_cells, embedding_dim)."""
    # slow to import, and needed only where no map was kept
    from sklearn.neighbors import NearestNeighbors
    from umap import UMAP

    distances, index = NearestNeighbors(n_neighbors=N_NEIGHBOURS).fit(z).kneighbors(z)
    # Given the neighbours, it need not compile a search of its own, which takes longer than a map. The third part
    # would be that search, for cells that come later: it warns that there is none.
    method = UMAP(
        n_neighbors=N_NEIGHBOURS,
        min_dist=MIN_DIST,
        n_epochs=N_EPOCHS,
        init="pca",
        random_state=SEED,
        n_jobs=1,
        precomputed_knn=(index, distances.astype(np.float32), None),
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="precomputed_knn")
        return np.asarray(method.fit_transform(z))
