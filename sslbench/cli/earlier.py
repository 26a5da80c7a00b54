"""What the same sweep found on an earlier version of the same data set, and what scored trials otherwise than now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from sslbench.cli.question import Question, readable
from sslbench.errors import SetupError
from sslbench.ledger import Ledger
from sslbench.metric_versions import known_versions, other_versions
from sslbench.results import TrialRecord


def of_earlier_data(folder: Path, question: Question) -> list[TrialRecord]:
    """Return the trials beside `folder` that answer the same question on an older version of the data set."""
    arms, found = set(question.sweep_spec.arms), []
    for other, _ in asked_of_earlier_data(folder, question):
        found += [r for r in Ledger(other).records().values() if r.arm in arms]
    return found


def asked_of_earlier_data(folder: Path, question: Question) -> Iterator[tuple[Path, Question]]:
    """Yield (folder, question) of what asks the same beside `folder` of an older version of the data set."""
    others = (f for f in sorted(folder.parent.glob(f"{question.sweep}-*")) if f != folder)
    yield from ((f, before) for f, before in readable(others) if _is_earlier(before, question))


def _is_earlier(before: Question, question: Question) -> bool:
    same = (before.sweep, before.data["dataset"]) == (question.sweep, question.data["dataset"])
    if not same or before.asked_unix_ms >= question.asked_unix_ms:
        return False
    asked = [q.sweep_spec.question_fingerprint("") for q in (before, question)]
    return asked[0] == asked[1] and before.cells_fingerprint != question.cells_fingerprint


def refuse_other_versions(records: Iterable[TrialRecord], question: Question) -> None:
    """Raise SetupError S022 if trials were scored by another version of a task: no more are run beside them."""
    present = known_versions(given["name"] for given in question.sweep_spec.evaluation)
    differs = [other_versions(record.metric_versions, present) for record in records]
    stale = [reasons for reasons in differs if reasons]
    if stale:
        raise SetupError(
            f"{len(stale)} trials of this sweep were scored by another version of a task, and new ones cannot be "
            "compared with them",
            code="S022",
            found=", ".join(sorted({reason for reasons in stale for reason in reasons})),
            fix=f"{question.command} --fresh",
            state="the earlier trials are kept: --fresh sets them aside",
        )
