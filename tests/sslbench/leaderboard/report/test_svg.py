import math
import re

import numpy as np
import pytest

from sslbench.leaderboard.report.svg import (
    BOTTOM,
    LEFT,
    RIGHT,
    TOP,
    Scale,
    clip,
    number,
    panel,
    scale_over,
    text,
)


def test_a_linear_scale_maps_its_ends() -> None:
    scale = Scale(low=2.0, high=4.0, start=10.0, end=110.0)
    assert (scale(2.0), scale(3.0), scale(4.0)) == (10.0, 60.0, 110.0)


def test_a_logarithmic_scale_maps_the_geometric_middle_to_the_middle() -> None:
    scale = Scale(low=1e-4, high=1e-2, start=0.0, end=100.0, log=True)
    assert scale(1e-3) == pytest.approx(50.0)


def test_a_single_value_sits_in_the_middle_of_its_scale() -> None:
    assert scale_over([0.7], start=0.0, end=100.0)(0.7) == pytest.approx(50.0)
    assert scale_over([3e-4], start=0.0, end=100.0, log=True)(3e-4) == pytest.approx(50.0)


@pytest.mark.parametrize("log", [False, True])
def test_ticks_are_round_few_and_inside(log: bool) -> None:
    generator = np.random.default_rng(0)
    for _ in range(200):
        low = 10 ** generator.uniform(-5, 3)
        scale = Scale(low=low, high=low * generator.uniform(1.5, 1e4), start=0, end=1, log=log)
        ticks = scale.ticks(5)
        assert len(ticks) <= 7
        assert all(scale.low <= tick * 1.000001 and tick * 0.999999 <= scale.high for tick in ticks)


def test_numbers_are_short_and_zero_has_no_sign() -> None:
    assert [number(v) for v in (0.25, -0.1, -0.0, 12345.0, 1e-4)] == [
        "0.25",
        "−0.1",
        "0",
        "12,345",
        "0.0001",
    ]


def test_text_is_escaped_and_long_names_are_clipped() -> None:
    assert "&lt;b&gt;" in text(0, 0, "<b>")
    assert clip("abcdef", 4) == "abc…"
    assert clip("abc", 4) == "abc"


def named_panel(names: list[str]) -> str:
    x = Scale(low=-0.5, high=len(names) - 0.5, start=LEFT, end=RIGHT)
    y = Scale(low=0.0, high=1.0, start=BOTTOM, end=TOP)
    return panel(x=x, y=y, x_title="pretext/mask", y_title="score", marks="", x_names=names)


def test_names_of_categories_that_would_overlap_are_turned_and_get_room() -> None:
    names = ["gene_programme", "none", "programme_to_tf", "random"]
    drawn = named_panel(names)
    turned = re.findall(r"<g transform=\"translate\(([\d.]+) [\d.]+\) rotate\(-40\)\"", drawn)
    assert len(turned) == len(names)
    assert all(name in drawn for name in names)
    height, level_height = (
        int(re.findall(r'viewBox="0 0 \d+ (\d+)"', text)[0])
        for text in (drawn, named_panel(["mse", "poisson"]))
    )
    assert height > level_height
    leftmost = 15 * 7.0 * math.cos(math.radians(40))  # of the longest name that is not clipped
    assert float(turned[0]) > leftmost


def test_names_of_categories_that_fit_stay_level() -> None:
    assert "rotate" not in named_panel(["mse", "poisson", "negative_binomial"])


def test_a_panel_says_in_words_what_it_shows() -> None:
    assert 'role="img" aria-label="score against pretext/mask"' in named_panel(["a", "b"])
