"""Arms searched anew at each fraction of labels: a recipe that is best with all labels need not be with few."""

from __future__ import annotations

from sslbench.data.cells import Cells
from sslbench.data.labels import types_without_label
from sslbench.results import suffix_at
from sslbench.search.spec import SweepSpec


def retuned(spec: SweepSpec, train: Cells) -> SweepSpec:
    """Return the sweep with a copy of every arm for each further fraction of labels, if it asks to `retune`.

    The copy of `mae` at 5 % is the arm `mae_at_5`: it has the same space and budget, and sees no other labels in
    search and confirmation. A fraction at which a type would keep no label gets no arms.
    """
    if not spec.retune:
        return spec
    whole = [f for f in spec.label_fractions if not types_without_label(train, fraction=f)]
    copies = {
        name + suffix_at(fraction): arm.model_copy(update={"label_fraction": fraction})
        for fraction in whole
        for name, arm in spec.arms.items()
    }
    return spec.model_copy(update={"arms": {**spec.arms, **copies}})
