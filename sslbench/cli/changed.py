"""What is different since the same sweep was asked before: the cells, or the code that made its trials."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from sslbench.cli.earlier import asked_of_earlier_data
from sslbench.cli.question import Question
from sslbench.provenance import code_words
from sslbench.results import TrialRecord


def changed_data(folder: Path, question: Question) -> Iterator[str]:
    """Yield a line if these cells are another version of those that the sweep was last asked of."""
    before = sorted(
        asked_of_earlier_data(folder, question), key=lambda item: -item[1].asked_unix_ms
    )
    for other, last in before[:1]:
        yield (
            f"the cells have changed: fingerprint {question.cells_fingerprint}, and "
            f"{last.cells_fingerprint} when this was last asked. Another question, in {folder.name}; "
            f"its earlier answer stays in {other.name}"
        )


def changed_code(records: Collection[TrialRecord], now: Mapping[str, str]) -> Iterator[str]:
    """Yield a line if other code than the present made some of the trials that are kept."""
    made_by = [code_words(record.provenance) for record in records if record.provenance]
    others = sorted(set(made_by) - {code_words(now)})
    if others:
        n_other = sum(code in others for code in made_by)
        yield (
            f"{n_other} of {len(records)} trials were made by other code ({'; '.join(others)}; now {code_words(now)}); "
            "they are kept, their rows name it, and --fresh starts anew"
        )
