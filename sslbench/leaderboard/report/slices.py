"""What the search learned about each option: the objective against every value that was tried."""

from __future__ import annotations

import html
from collections.abc import Sequence
from statistics import median

from sslbench.leaderboard.report.mask_rates import RATE, is_drawn_by_kind
from sslbench.leaderboard.report.material import Material
from sslbench.leaderboard.report.style import series_class
from sslbench.leaderboard.report.svg import BOTTOM, LEFT, RIGHT, TOP, Scale, dot, panel, scale_over
from sslbench.results import TrialRecord

MAX_TRIALS = 200  # latest trials drawn in a panel
_LOG_FROM = (
    20.0  # a positive option that spans so many times its smallest value gets a logarithmic axis
)
_KIND = "pretext/mask"  # dots are coloured by the mask where a search chose among masks


def slices_section(material: Material) -> str:
    """Return one panel for each arm and searched option, masking rate first; nothing if nothing was searched."""
    trials = {arm: _scored(material.of(arm, "search"))[-MAX_TRIALS:] for arm in material.panelled}
    values = [r.score for found in trials.values() for r in found if r.score is not None]
    if not values:
        return ""
    y = scale_over(values, start=BOTTOM, end=TOP)
    kinds = sorted({_kind(r) for found in trials.values() for r in found} - {""})
    panels = [
        _slice(material, arm, option, trials=found, y=y, kinds=kinds)
        for arm, found in trials.items()
        for option in _varied_options(found)
    ]
    if not panels:
        return ""
    return (
        '<section><h2>What the search tried</h2><p class="read"><b>How to read:</b> each dot is a search trial: '
        "the arm's objective against one option that the search could choose (hollow: stopped early). "
        f"The other options vary too, so look at the upper edge of the cloud, not at single dots.{material.without_panel}</p>"
        f'{_legend(kinds)}<div class="panels">{"".join(panels)}</div></section>'
    )


def _slice(
    material: Material,
    arm: str,
    option: str,
    *,
    trials: Sequence[TrialRecord],
    y: Scale,
    kinds: Sequence[str],
) -> str:
    tried = [r for r in trials if option in r.params]
    numeric = all(_is_number(r.params[option]) for r in tried)
    names = [] if numeric else sorted({_shown(r.params[option]) for r in tried})
    x = _axis([r.params[option] for r in tried], names=names)
    marks = []
    for position, record in enumerate(tried):
        value = record.params[option]
        at = float(value) if numeric else names.index(_shown(value)) + _jitter(position)
        colour = series_class(kinds.index(_kind(record))) if _kind(record) else ""
        marks.append(_mark(record, x(at), y, option=option, colour=colour))
    drawing = panel(
        x=x,
        y=y,
        x_title=option,
        y_title=material.objective(arm),
        marks="".join(marks),
        x_names=names,
    )
    title = html.escape(f"{arm}: {option.rpartition('/')[2]}")
    return f'<figure class="{material.colour(arm)}"><h3>{title}</h3>{drawing}</figure>'


def _mark(record: TrialRecord, at: float, y: Scale, *, option: str, colour: str) -> str:
    assert record.score is not None
    state = "finished" if record.outcome == "finished" else "stopped"
    kind = f", {_kind(record)}" if _kind(record) else ""
    tip = f"{option} = {_shown(record.params[option])}{kind}: {record.score:.3f}"
    return dot(at, y(record.score), css=f"{state} {colour}".strip(), tip=tip)


def _axis(values: Sequence[object], *, names: Sequence[str]) -> Scale:
    if names:
        return Scale(low=-0.5, high=len(names) - 0.5, start=LEFT, end=RIGHT)
    numbers = [float(v) for v in values if isinstance(v, (int, float))]
    return scale_over(numbers, start=LEFT, end=RIGHT, log=_looks_logarithmic(numbers))


def _looks_logarithmic(numbers: Sequence[float]) -> bool:
    """Whether positive values span decades and crowd at the lower end, as log-uniform draws do."""
    low, high = min(numbers), max(numbers)
    return low > 0 and high / low >= _LOG_FROM and median(numbers) < low + 0.3 * (high - low)


def _scored(trials: Sequence[TrialRecord]) -> list[TrialRecord]:
    return [r for r in trials if r.score is not None]


def _varied_options(trials: Sequence[TrialRecord]) -> list[str]:
    """Return the options with at least two values, masking rate first, then by name."""
    options = {option for r in trials for option in r.params}
    varied = [o for o in options if len({_shown(r.params[o]) for r in trials if o in r.params}) > 1]
    if is_drawn_by_kind(trials):
        varied.remove(RATE)
    return sorted(varied, key=lambda option: (not option.endswith("mask_rate"), option))


def _kind(record: TrialRecord) -> str:
    return _shown(record.params[_KIND]) if _KIND in record.params else ""


def _legend(kinds: Sequence[str]) -> str:
    items = "".join(
        f'<span class="{series_class(i)}"><i class="key"></i>mask: {html.escape(kind)}</span>'
        for i, kind in enumerate(kinds)
    )
    return f'<div class="legend">{items}</div>' if kinds else ""


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _shown(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _jitter(position: int) -> float:
    # The golden ratio spreads any number of neighbours evenly, and the same ones always alike.
    return ((position * 0.618034) % 1.0 - 0.5) * 0.36
