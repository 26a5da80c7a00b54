"""`python -m sslbench`: the same as the `sslbench` command."""

from sslbench.cli import main

main()
