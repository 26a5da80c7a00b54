"""Simulated benchmarks whose truth is known, ranked by the code that ranks real ones."""
