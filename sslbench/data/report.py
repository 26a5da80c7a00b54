"""Two lines about a data set, as a sweep prints them first."""

from __future__ import annotations

from sslbench.data.manifest import StoreManifest

MAX_DONORS_NAMED = 4


def describe_data(manifest: StoreManifest) -> str:
    """Return name, size, donors, cell types, and the slot that the counts were read from."""
    n_donors = sum(len(donors) for donors in manifest.donors_per_split.values())
    n_types = len(manifest.label_names) + len(manifest.excluded_labels)
    missing = f" ({manifest.n_genes_missing:,} not measured)" if manifest.n_genes_missing else ""
    parts = [f"{manifest.n_cells:,} cells x {manifest.n_genes:,} genes{missing}"]
    parts += [f"{n_donors} donors" if n_donors else "donors not known"]
    parts += [f"{n_types} cell types{_not_scored(manifest)}" if n_types else "no labels"]
    counts = f"counts: {manifest.counts_slot} ({manifest.counts_reason}, all checked)"
    return f"{manifest.dataset:<12} {', '.join(parts)}    {counts}"


def describe_split(manifest: StoreManifest) -> str:
    """Return who is trained on, chosen on and tested on, and how many leak checks are passed."""
    of_donors = manifest.split_by == "donor"
    who = {
        split: _donors(manifest.donors_per_split[split]) if of_donors else f"{n:,} cells"
        for split, n in manifest.cells_per_split.items()
    }
    parts = " | ".join(f"{split} {value}" for split, value in who.items())
    n_ok = sum(ok for _, ok, _ in manifest.leak_checks)
    compared = next(detail for name, _, detail in manifest.leak_checks if name == "duplicates")
    checks = f"leak checks {n_ok}/{len(manifest.leak_checks)} ok ({compared})"
    stamp = "" if of_donors else "    (says nothing about other donors)"
    return f"{'by ' + manifest.split_by:<12} {parts}{stamp}    {checks}"


def describe_corpus(manifest: StoreManifest) -> list[str]:
    """Return what a corpus is made of, and how it is known that no cell of the target is in it."""
    return [*manifest.joined, f"no copy of a target cell in it    {manifest.guard}"]


def _not_scored(manifest: StoreManifest) -> str:
    names = list(manifest.excluded_labels)
    return f" ({len(names)} not scored: {', '.join(names)})" if names else ""


def _donors(names: tuple[str, ...]) -> str:
    if len(names) <= MAX_DONORS_NAMED:
        return ", ".join(names)
    return (
        f"{', '.join(names[: MAX_DONORS_NAMED - 1])} and {len(names) - MAX_DONORS_NAMED + 1} more"
    )
