"""Attacks on this machine's own preopen: each is tried for real, beside what a grant allows.

Ships with the package, for `preopen selftest`. Rows are data (`files.py`, `hogs.py`, `leaks.py`,
`liars.py`); `ground.py` is where they are fought.
"""
