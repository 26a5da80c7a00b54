import numpy as np
import pytest
import torch

from sslbench.encoders.base import embed_cells
from sslbench.errors import ConfigError
from tests.sslbench.pretext.classifiers import expression, fitted, two_donors


def test_the_embedding_is_the_expression_whatever_it_was_prepared_on():
    train, other = two_donors()
    pretext = fitted("hvg", train)
    np.testing.assert_array_equal(embed_cells(pretext.encoder, other), expression(other))
    assert pretext.classifier is None


def test_an_encoder_with_weights_that_nothing_trains_is_refused():
    train, _ = two_donors()
    with pytest.raises(ConfigError, match="hvg needs the encoder identity"):
        fitted("hvg", train, encoder="linear")


def test_it_has_no_loss():
    train, _ = two_donors()
    with pytest.raises(RuntimeError, match="gradient_free"):
        fitted("hvg", train).loss(train.minibatch(np.arange(2)), torch.Generator())
