"""`sslbench data check`: a traffic light for one's own cells, the facts behind it, and the next command."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sslbench.cli import terminal
from sslbench.data.catalogue import DatasetSpec
from sslbench.data.checking import NO_LABEL, Checked, FirstLook, WholeLook, check_cells
from sslbench.data.description import write_description

MOST_DONORS, MOST_CLASSES = 8, 40  # columns and rows that are shown one by one


def check_cells_files(spec: DatasetSpec, *, out: Path, output: str) -> None:
    """Print what a sweep would make of these cells and write their YAML; raise what it would refuse them with."""
    with terminal.working("checking the cells"):
        checked = check_cells(spec)
    if output == "json":
        terminal.print_json(as_json(checked))
    else:
        _show_first(checked)
    if checked.problem is not None:
        terminal.say("verdict", "red: these cells cannot be used as they are")
        raise checked.problem
    assert checked.whole is not None
    if output != "json":
        _show_whole(checked.whole)
    _show_verdict(checked)
    write_description(checked, checked.whole, out)
    terminal.say("written", str(out))
    terminal.say("next", f"make sweep SWEEP=mae_masking DATA={out}")


def _show_first(checked: Checked) -> None:
    first = checked.first
    names = ", ".join(file.name for file in checked.spec.files)
    terminal.say("data", f"{names}  {first.n_cells:,} cells x {first.n_genes:,} genes")
    terminal.say("counts", f"{first.chosen.slot} ({first.kind})   why: {first.chosen.reason}")
    terminal.say(
        "genes", f"{first.genes.kind}; {first.genes.n_known:,} of them in the lists of sslbench"
    )
    if first.classes is not None:
        terminal.print_table(*class_table(checked))


def _show_whole(whole: WholeLook) -> None:
    of_donors = any(whole.donors.values())
    who = {
        split: ", ".join(donors) if of_donors else f"{(whole.table.split == split).sum():,} cells"
        for split, donors in whole.donors.items()
    }
    n_ok = sum(check.ok for check in whole.checks)
    terminal.say("checked", f"all {whole.n_non_zeros:,} non-zero values are whole numbers")
    terminal.say("split", " | ".join(f"{split} {names}" for split, names in who.items()))
    terminal.say("leaks", f"{n_ok} of {len(whole.checks)} checks ok; {_copies(whole)}")


def _copies(whole: WholeLook) -> str:
    where = "in another donor" if any(whole.donors.values()) else "in the file"
    return f"{whole.n_copies:,} cells have an exact copy {where}"


def _show_verdict(checked: Checked) -> None:
    words = {"green": "fine as they are", "yellow": "usable; know what they do not say"}
    terminal.say("verdict", f"{checked.light}: {words[checked.light]}")
    for reason in checked.reasons:
        terminal.say("note", reason)


def class_table(checked: Checked) -> tuple[list[str], list[list[str]]]:
    """Return columns and rows of cells by class and donor; the smallest of many are counted together."""
    classes = checked.first.classes
    assert classes is not None
    shown = list(classes.columns[:MOST_DONORS])
    rest = classes.columns[MOST_DONORS:]
    columns = ["class", *map(str, shown), *([f"{len(rest)} more"] if len(rest) else [])]
    columns += ["cells"] if checked.spec.donor_key else []
    rows = []
    for label, cells in classes.head(MOST_CLASSES).iterrows():
        numbers = [*cells[shown], *([cells[rest].sum()] if len(rest) else [])]
        numbers += [cells.sum()] if checked.spec.donor_key else []
        rows.append([str(label), *(f"{n:,}" for n in numbers), _scored(checked, str(label))])
    if len(classes) > MOST_CLASSES:
        rows.append([f"{len(classes) - MOST_CLASSES} more classes", *[""] * len(columns)])
    return [*columns, "scored"], rows


def _scored(checked: Checked, label: str) -> str:
    if checked.whole is None or label == NO_LABEL:
        return ""
    return "yes" if label in checked.whole.table.labels.names else "no"


def as_json(checked: Checked) -> dict[str, Any]:
    """Return the facts for programs."""
    problem, whole = checked.problem, checked.whole
    return {
        "files": [str(file) for file in checked.spec.files],
        "verdict": checked.light,
        "reasons": list(checked.reasons),
        "problem": None if problem is None else {"code": problem.code, "what": problem.what},
        **_first_json(checked.first),
        **({} if whole is None else _whole_json(whole)),
    }


def _first_json(first: FirstLook) -> dict[str, Any]:
    classes = first.classes
    return {
        "n_cells": first.n_cells,
        "n_genes": first.n_genes,
        "counts": {"slot": first.chosen.slot, "reason": first.chosen.reason},
        "genes": {"kind": first.genes.kind, "n_known": first.genes.n_known},
        "n_missing_labels": first.n_missing_labels,
        "classes": None if classes is None else classes.to_dict(orient="index"),
    }


def _whole_json(whole: WholeLook) -> dict[str, Any]:
    return {
        "scored": list(whole.table.labels.names),
        "not_scored": whole.table.labels.excluded,
        "donors": whole.donors,
        "leak_checks": {check.name: check.ok for check in whole.checks},
        "n_copies": whole.n_copies,
    }
