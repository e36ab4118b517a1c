"""Fuzzing what reads untrusted bytes: ten targets, the corpus of each, and the way to run them.

`python -m fuzz TARGET --minutes 10` looks for new inputs; `make test` replays the kept ones.
"""
