"""What is not a figure: the trials that failed, and the facts by which a result can be checked."""

from __future__ import annotations

import html
from collections.abc import Iterable

from sslbench.leaderboard.report.material import Material
from sslbench.leaderboard.report.versions import made_with_facts

MAX_MESSAGE = 300


def failures_section(material: Material) -> str:
    """Return the failed trials by kind and message, or the sentence that there are none."""
    groups = material.board.failures
    if not groups:
        return '<section><h2>Failed trials</h2><p class="read">None: every trial that ended has a score.</p></section>'
    rows = "".join(
        f"<tr><td>{html.escape(g.arm)}</td><td>{html.escape(g.stage)}</td><td>{html.escape(g.kind)}</td>"
        f'<td class="n">{g.n_trials}</td><td class="message"><code>{html.escape(g.message[:MAX_MESSAGE])}</code></td></tr>'
        for g in groups
    )
    return (
        '<section><h2>Failed trials</h2><p class="read"><b>How to read:</b> failed trials have no score and count '
        "against their arm's budget; an arm with many of them was searched less than the others. A collapsed trial is "
        "a finding: its embedding lost nearly all differences between cells.</p>"
        '<div class="scroll"><table><thead><tr><th>arm</th><th>stage</th><th>kind</th><th class="n">trials</th>'
        f"<th>message</th></tr></thead><tbody>{rows}</tbody></table></div></section>"
    )


def facts_section(material: Material) -> str:
    """Return data, split, budget, chosen recipes, versions and commit."""
    facts = material.facts
    pairs = [
        ("data", facts.data_line),
        ("split", facts.split_line),
        ("test donors", ", ".join(facts.test_donors) or "none named: split by cells"),
        (
            "labels not scored",
            "; ".join(facts.excluded_labels) or ("none" if facts.label_names else "there are none"),
        ),
        ("objective", f"{facts.objective} (maximised in the search)"),
        (
            "budget",
            f"{facts.budget_trials} search trials an arm, {facts.confirm_seeds} fresh seeds to confirm",
        ),
        *_recipes(material),
        ("versions", " · ".join(f"{name} {version}" for name, version in facts.versions)),
        ("commit", facts.commit),
        *made_with_facts(material),
    ]
    items = "".join(f"<dt>{html.escape(k)}</dt><dd>{html.escape(v)}</dd>" for k, v in pairs)
    return f"<section><h2>Data, budget, versions</h2><dl>{items}</dl></section>"


def _recipes(material: Material) -> Iterable[tuple[str, str]]:
    for row in material.board.rows:
        params = ", ".join(f"{key} = {_shown(value)}" for key, value in sorted(row.params.items()))
        yield f"recipe of {row.arm}", f"{params or 'nothing to search'} ({row.recipe})"


def _shown(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
