"""What is attacked: the same small model that the commands are tried on."""

from tests.sslbench.cli.conftest import classifying_model

__all__ = ["classifying_model"]
