"""Logistic regression from a frozen embedding, fitted on training cells: its labels and its probabilities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression

from sslbench.standardisation import Standardisation

ABSENT = -1e9  # the logit of a label without reference cells: finite, and a probability of 0
MAX_ITERATIONS = (
    2000  # standardised z converges in tens; scikit-learn warns aloud where it does not
)


@dataclass(frozen=True, kw_only=True)
class Probe:
    """A fitted probe; `regression` is None where there was one label only, which everyone then gets."""

    known: np.ndarray  # (n_known,) int64: codes of the labels that it can give, ascending
    standardise: Standardisation
    regression: LogisticRegression | None

    def labels(self, query: np.ndarray) -> np.ndarray:
        """Return the label codes (n_query,) int64 of cells (n_query, embedding_dim)."""
        if self.regression is None:
            return np.full(len(query), self.known[0], dtype=np.int64)
        predicted = self.regression.predict(self.standardise(query))
        return np.asarray(predicted, dtype=np.int64)

    def probabilities(self, query: np.ndarray, *, n_labels: int) -> np.ndarray:
        """Return the probability of each label code (n_query, n_labels) of cells (n_query, embedding_dim).

        A label without a reference cell has probability 0.
        """
        found = np.zeros((len(query), n_labels))
        if self.regression is None:
            found[:, self.known] = 1.0
        else:
            found[:, self.known] = self.regression.predict_proba(self.standardise(query))
        return found

    def linear(self, *, n_labels: int) -> tuple[np.ndarray, np.ndarray]:
        """Return weight (n_labels, embedding_dim) and bias (n_labels,): softmax of z @ weight.T + bias are the probabilities.

        z is as it is, not standardised. A label without a reference cell has the logit `ABSENT` everywhere.
        """
        weight = np.zeros((n_labels, len(self.standardise.centre)))
        bias = np.full(n_labels, ABSENT)
        bias[self.known] = 0.0
        if self.regression is not None:
            # of two labels scikit-learn keeps one row, the logit of the second against the first
            fitted = self.known if len(self.known) > 2 else self.known[1:]
            weight[fitted] = self.regression.coef_ / self.standardise.scale
            bias[fitted] = self.regression.intercept_ - weight[fitted] @ self.standardise.centre
        return weight, bias


def fit_probe(reference: np.ndarray, label: np.ndarray, *, c: float) -> Probe:
    """Fit class-balanced multinomial regression on z standardised by the mean and spread of the reference.

    `reference` (n_reference, embedding_dim) is float64, `label` (n_reference,) codes from 0, `c` the inverse
    strength of the L2 penalty.
    """
    known = np.unique(label).astype(np.int64)
    standardise, regression = Standardisation.of(reference), None
    if len(known) > 1:
        regression = LogisticRegression(C=c, class_weight="balanced", max_iter=MAX_ITERATIONS)
        regression.fit(standardise(reference), label)
    return Probe(known=known, standardise=standardise, regression=regression)
