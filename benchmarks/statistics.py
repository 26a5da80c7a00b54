"""How often what the leaderboard says is true: simulated sweeps whose truth is known, ranked by the code of real ones.

    python -m benchmarks.statistics [--sweeps 500] [--out benchmarks/results]

Every figure is of that many sweeps (four times as many for what is claimed without reason) with fixed seeds: the same
figures on every machine. Shares come with their exact binomial 95 % interval. Intervals speak for new donors and new seeds; of one test donor, for new cells of that donor.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path

from benchmarks.simulation.figures import Figure
from benchmarks.simulation.studies import (
    FEW_DONORS,
    MANY_DONORS,
    few_donors,
    many_donors,
    one_donor,
    otherwise,
)
from sslbench.provenance import provenance, version_of

RESULTS = Path(__file__).parent / "results"
COLUMNS = ("what", "test donors", "sweeps", "found", "95 % interval", "goal", "reached")
REACHED = {True: "yes", False: "no", None: ""}


def main() -> None:
    """Simulate everything; results are saved after each study, the table comes last."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.statistics", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--sweeps", type=int, default=500, help="simulated sweeps of each study")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    asked = parser.parse_args()
    if asked.sweeps < 2:
        parser.error(f"at least 2 sweeps, got {asked.sweeps}")
    asked.out.mkdir(parents=True, exist_ok=True)
    path = asked.out / f"{date.today().isoformat()}-statistics"
    head, figures = header(asked.sweeps), []
    for figure in all_figures(asked.sweeps):
        figures.append(figure)
        progress("  " + " | ".join(filter(None, cells_of(figure))))
        save(path, head, figures)
    print(as_markdown(head, figures))


def all_figures(n: int) -> Iterator[Figure]:
    """Yield the figures as they are found."""
    for n_donors in MANY_DONORS:
        progress(f"{n_donors} test donors")
        yield from many_donors(n_donors, n=n, told=progress)
    progress("one test donor")
    yield from one_donor(n, told=progress)
    for n_donors in FEW_DONORS:
        progress(f"{n_donors} test donors")
        yield from few_donors(n_donors, n=n, told=progress)
    progress("other populations")
    yield from otherwise(8, n=n, told=progress)


def header(n: int) -> dict[str, str]:
    """Return what stands above the table."""
    found = provenance()
    dirty = " + uncommitted changes" if found["dirty"] == "true" else ""
    return {
        "date": date.today().isoformat(),
        "command": f"python -m benchmarks.statistics --sweeps {n}",
        "commit": (found["commit"] or "not in a repository") + dirty,
        "packages": ", ".join(
            f"{name} {version_of(name)}" for name in ("numpy", "scipy", "pandas")
        ),
    }


def cells_of(figure: Figure) -> list[str]:
    """Return the text of each column: shares in percent, macro F1 with four digits."""
    is_score = figure.what.startswith("optimism")
    found, low, high = (
        f"{v:+.4f}" if is_score else f"{100 * v:.1f} %"
        for v in (figure.value, figure.low, figure.high)
    )
    return [
        figure.what,
        str(figure.n_donors),
        str(figure.n_sweeps),
        found,
        f"{low} to {high}",
        figure.goal,
        REACHED[figure.met],
    ]


def as_markdown(head: dict[str, str], figures: Sequence[Figure]) -> str:
    """Return header and table as Markdown."""
    table = [list(COLUMNS), ["---"] * len(COLUMNS), *map(cells_of, figures)]
    lines = [f"- {key}: {text}" for key, text in head.items()]
    rows = ["| " + " | ".join(texts) + " |" for texts in table]
    return "\n".join([*lines, "", *rows]) + "\n"


def save(path: Path, head: dict[str, str], figures: Sequence[Figure]) -> None:
    """Write what is found so far as `path`.json and `path`.md."""
    found = {"header": head, "figures": [asdict(figure) for figure in figures]}
    path.with_suffix(".json").write_text(
        json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    path.with_suffix(".md").write_text(as_markdown(head, figures), encoding="utf-8")


def progress(text: str) -> None:
    """Say where the run is, beside the table and not in it."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
