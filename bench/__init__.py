"""Benchmarks that anyone can run: `make bench`. Ratios against a baseline of the same run."""
