"""Errors say what is wrong, where, the evidence, the fix and the state left behind."""

import pytest

from sslbench.errors import (
    ConfigError,
    DataError,
    RefusedError,
    SetupError,
    SslbenchError,
    nearest,
)


def test_an_error_is_printed_in_the_order_what_where_found_fix_state():
    error = ConfigError("bad key", code="C9", where="a.yaml, line 3", found="'x'", fix="use y")
    assert str(error).splitlines() == [
        "error[C9] bad key",
        "  where  a.yaml, line 3",
        "  found  'x'",
        "  fix    use y",
        "  nothing was written",
    ]


def test_what_is_not_known_is_left_out():
    assert str(DataError("no cells")) == "error[D000] no cells\n  nothing was written"


@pytest.mark.parametrize(
    "kind, code", [(ConfigError, 2), (DataError, 3), (SetupError, 4), (RefusedError, 7)]
)
def test_each_kind_of_error_has_its_exit_code(kind, code):
    assert kind("x").exit_code == code
    assert issubclass(kind, SslbenchError)


def test_a_place_found_out_later_is_shown():
    error = ConfigError("x")
    error.where = "b.yaml, line 7"
    assert "b.yaml, line 7" in str(error)


def test_nearest_names_the_likely_word_and_lists_all_sorted():
    assert nearest("maskd", ["pca", "masked"]) == "did you mean 'masked'? known: masked, pca"


def test_nearest_guesses_nothing_where_no_word_is_close():
    assert nearest("qqq", ["masked"]) == "known: masked"
