import importlib.util
import zipfile
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from sslbench.data.gene_programmes import read_gmt
from sslbench.ledger import sha256

SCRIPT = Path(__file__).parents[2] / "scripts" / "bundle_data.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bundle_data", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_counts_come_back_from_their_scaled_logarithm(script: ModuleType) -> None:
    generator = np.random.default_rng(0)
    counts = generator.poisson(0.4, (30, 200)).astype(np.float64)
    size = generator.uniform(0.3, 3, (30, 1))
    logged = csr_matrix(np.log2(1 + counts / size).astype(np.float32))
    np.testing.assert_array_equal(script.whole_counts(logged).toarray(), counts)


def test_values_that_are_no_scaled_counts_are_refused(script: ModuleType) -> None:
    values = np.random.default_rng(0).uniform(0.1, 5, (5, 50))
    with pytest.raises(SystemExit, match="not whole"):
        script.whole_counts(csr_matrix(values))


def test_a_package_is_read_only_if_it_is_the_pinned_one(script: ModuleType, tmp_path: Path) -> None:
    wheel = tmp_path / "a.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("inside.txt", "text")
    pinned = {
        "a": {"file": "a.whl", "sha256": sha256(wheel)},
        "b": {"file": "a.whl", "sha256": "0"},
    }
    packages = script.Packages(tmp_path, pinned)
    assert packages.member("a", "inside.txt") == b"text"
    with pytest.raises(SystemExit, match="SHA-256 0 expected"):
        packages.member("b", "inside.txt")


def test_gene_sets_are_written_sorted_and_without_repeats(
    script: ModuleType, tmp_path: Path
) -> None:
    script.write_gmt([("b", "note", ["G2", "G1", "G2"]), ("a", "", {"G3"})], tmp_path / "s.gmt")
    assert read_gmt(tmp_path / "s.gmt") == {"a": ("G3",), "b": ("G1", "G2")}
