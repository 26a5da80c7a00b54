"""How `sslbench` ends where no error does: the errors' own codes (2, 3, 4, 7) are in `sslbench.errors`."""

OK = 0
FAILED_TRIALS = 5  # the sweep came to its end, and some trials failed (not counting collapsed ones)
NOT_REPRODUCED = 8  # a repeated trial has other scores than were recorded
NOT_SYNCED = 6  # results are safe, MLflow lags behind
INTERRUPTED = 130  # the same command goes on
