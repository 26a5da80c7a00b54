"""Two spellings of one cell type are two classes to a computer."""

import numpy as np
import pandas as pd
import pytest

from sslbench.data.label_forms import (
    plain_form,
    refuse_labels_of_donors,
    refuse_odd_labels,
    warn_of_clusters,
)
from sslbench.errors import DataError


def check(*labels, ignored=()):
    refuse_odd_labels(pd.Series(labels), key="cell_type", where="f.h5ad", ignored=ignored)


@pytest.mark.parametrize(
    "other", ["t cell é", "T cell é", " T  cell é", "T cell e\u0301", "Ｔ cell é"]
)
def test_case_blanks_and_unicode_form_make_no_other_label(other):
    assert plain_form(other) == plain_form("T cell é")


@pytest.mark.parametrize("other", ["T-cell", "T cells", "T cell 2", "T_cell"])
def test_any_other_difference_makes_another_label(other):
    check("T cell", other)
    assert plain_form(other) != plain_form("T cell")


def test_the_rarer_spelling_is_to_become_the_commoner_one():
    with pytest.raises(DataError, match=r"replace\(\{'t cell': 'T cell'\}\)") as error:
        check("t cell", "T cell", "T cell", "B")
    assert error.value.code == "D145"


def test_spellings_of_what_is_not_scored_may_differ():
    check("Unknown", "unknown", "T", "B", ignored=("Unknown", "unknown"))


def test_labels_of_several_types_are_refused_with_an_example_of_each():
    with pytest.raises(DataError, match="number: 3, word: 'T'") as error:
        check(3, "T", 4, None)
    assert error.value.code == "D146"
    check(1, 2.0, np.float32(3), None)
    check(True, False)


def of_donors(labels, donors, ignored=()):
    refuse_labels_of_donors(
        labels=np.array(labels), donors=np.array(donors), key="k", where="f", ignored=ignored
    )


def test_labels_that_each_belong_to_one_donor_are_refused():
    with pytest.raises(DataError, match="a: d0; b: d1") as error:
        of_donors(["a", "b", "a", "Unknown"], ["d0", "d1", "d0", "d1"], ignored=("Unknown",))
    assert error.value.code == "D147"


def test_one_shared_label_one_label_or_one_donor_are_no_copy_of_donors():
    of_donors(["a", "b", "a"], ["d0", "d1", "d1"])
    of_donors(["a", "a"], ["d0", "d1"])
    of_donors(["a", "b"], ["", ""])


def test_labels_that_are_a_clustering_renamed_are_warned_of(caplog):
    obs = pd.DataFrame(
        {"kind": list("aabbc"), "leiden_r1": list("00112"), "cluster": list("00012")}
    )
    warn_of_clusters(obs, key="kind", where="f")
    assert [m for m in caplog.messages if "obs['leiden_r1'] renamed" in m] == caplog.messages
    assert len(caplog.messages) == 1
