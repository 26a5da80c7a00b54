"""The report against names that try to become markup: taken apart always, and by a real browser where there is one."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from sslbench.leaderboard.latex import render_latex
from sslbench.leaderboard.report.page import render_html
from tests.sslbench.leaderboard.report.hostile import (
    HOSTILE,
    IMAGE,
    SCRIPT,
    hostile_maps,
    hostile_sweep,
)
from tests.sslbench.leaderboard.report.markup import Structure, refuse_what_loads_or_runs

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
SECTIONS = (
    "Leaderboard", "Difference to the best", "With fewer labels", "F1 of each cell type", "takes for what",
    "component by component", "Maps of the test cells", "What the search tried", "Learning curves",
    "Optimisation history", "Failed trials", "Data, budget, versions",
)  # fmt: skip


def hostile_page() -> str:
    sweep = hostile_sweep()
    board = sweep.ranked()
    maps = hostile_maps(board, sweep)
    return render_html(board, sweep.records, sweep.predictions, sweep.facts, maps=maps)


def test_names_from_outside_never_become_markup() -> None:
    page = hostile_page()
    structure = Structure(page)
    refuse_what_loads_or_runs(structure)
    shown = " ".join(structure.text)
    assert all(heading in shown for heading in SECTIONS)
    assert shown.count(IMAGE) > 40
    assert shown.count(SCRIPT) > 40
    assert HOSTILE in shown


@pytest.mark.slow
def test_a_real_browser_finds_neither_image_nor_script_in_a_hostile_page(tmp_path: Path) -> None:
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        pytest.skip(f"no headless browser is installed (looked for {', '.join(BROWSERS)})")
    page = tmp_path / "page.html"
    page.write_text(hostile_page(), encoding="utf-8")
    command = [
        browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
        "--virtual-time-budget=3000", "--dump-dom", page.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert "<section>" in done.stdout, done.stderr[-500:]
    structure = Structure(done.stdout)
    assert not {"img", "script", "iframe", "object", "link", "base"} & set(structure.tags)
    refuse_what_loads_or_runs(structure)
    shown = " ".join(structure.text)
    assert all(heading in shown for heading in SECTIONS)
    assert IMAGE in shown
    assert SCRIPT in shown
    assert "<title>owned" not in done.stdout


def test_names_from_outside_never_become_commands_of_latex() -> None:
    sweep = hostile_sweep()
    board = sweep.ranked()
    text = render_latex(board, sweep.facts)
    assert "<img" not in text
    assert r"\textless{}img" in text
