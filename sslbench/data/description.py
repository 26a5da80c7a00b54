"""Write down what is known of someone's cells as a data-set YAML to keep."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from sslbench.data.checking import Checked, WholeLook
from sslbench.durable import write_atomically
from sslbench.errors import RefusedError

MOST_DONORS_LISTED = 1_000  # of more, the fixed rule assigns the same splits without a list


def write_description(checked: Checked, whole: WholeLook, file: Path) -> None:
    """Write the data-set YAML of checked cells to `file`; a file that says the same may be there already.

    Raises
    ------
    RefusedError
        R041 if another file is there.
    """
    text = description(checked, whole, folder=file.absolute().parent)
    if file.exists():
        if file.read_text(encoding="utf-8", errors="replace") == text:
            return
        raise RefusedError(
            f"{file} exists already and says something else",
            code="R041",
            fix="--out names another file",
            state="the cells were checked; no file was written",
        )
    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(file, text)


def description(checked: Checked, whole: WholeLook, *, folder: Path) -> str:
    """Return the text of a data-set YAML that lies in `folder`: plain keys, the splits written out."""
    spec = checked.spec
    files = [_seen_from(folder, file.absolute()) for file in spec.files]
    lines: dict[str, Any] = {
        "title": _title(checked, whole),
        **({"file": files[0]} if len(files) == 1 else {"files": files}),
        "label_key": spec.label_key,
        "donor_key": spec.donor_key,
    }
    optional = {
        "batch_key": spec.batch_key,
        "counts": spec.counts,
        "splits": _splits(whole),
        "nan_is_unlabelled": spec.nan_is_unlabelled or None,
    }
    lines |= {key: value for key, value in optional.items() if value is not None}
    head = "# written by `sslbench data check`\n"
    return head + yaml.safe_dump(
        lines, sort_keys=False, allow_unicode=True, width=100, default_flow_style=None
    )


def _seen_from(folder: Path, file: Path) -> str:
    return file.name if file.parent == folder else str(file)


def _title(checked: Checked, whole: WholeLook) -> str:
    n_donors = sum(map(len, whole.donors.values()))
    who = f"{n_donors} donors" if n_donors else "donors not known"
    n_types = len(whole.table.labels.names) + len(whole.table.labels.excluded)
    name = " and ".join(" ".join(file.name.split()) for file in checked.spec.files)
    return f"your cells in {name}: {len(whole.table.rows):,} cells, {who}, {n_types} cell types"


def _splits(whole: WholeLook) -> dict[str, list[str]] | None:
    n_donors = sum(map(len, whole.donors.values()))
    if not 0 < n_donors <= MOST_DONORS_LISTED:
        return None
    return {split: list(donors) for split, donors in whole.donors.items()}
