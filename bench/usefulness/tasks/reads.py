"""Tasks that read a file, or a part of one."""

from typing import Final

from bench.usefulness import facts, reading
from bench.usefulness.task import Task, call

PAGINATOR: Final = "django/core/paginator.py"
CRYPTO: Final = "django/utils/crypto.py"
QUERY: Final = "django/db/models/query.py"

READS: Final = (
    Task(
        name="Read one function",
        ours=[
            call("grep", pattern=r"def salted_hmac\b", path="django", type="py"),
            call("read", path=CRYPTO, offset=19, limit=30),
        ],
        plain=[
            r"grep -rn --include='*.py' 'def salted_hmac\b' django",
            f"sed -n '19,48p' {CRYPTO}",
        ],
        answers=lambda tree, said: (
            facts.source(tree, CRYPTO, "salted_hmac") in reading.body(said[-1])
        ),
    ),
    Task(
        name="Read a whole file, with line numbers",
        ours=[call("read", path=PAGINATOR)],
        plain=[f"cat -n {PAGINATOR}"],
        answers=lambda tree, said: (
            reading.numbered(said[-1]) == dict(enumerate(facts.texts(tree / PAGINATOR), 1))
        ),
    ),
    Task(
        name="Read the end of a long file",
        ours=[call("read", path=QUERY, offset=-30)],
        plain=[f"tail -n 30 {QUERY}"],
        answers=lambda tree, said: (
            reading.body(said[-1]).split("\n") == facts.texts(tree / QUERY)[-30:]
        ),
    ),
    Task(
        name="Read a part of a configuration",
        ours=[call("grep", pattern=r"^\[tool\.isort\]", path="pyproject.toml", after=3)],
        plain=[r"grep -A3 '^\[tool\.isort\]' pyproject.toml"],
        answers=lambda tree, said: (
            facts.settings(tree, "pyproject.toml", "isort") <= reading.words(said)
        ),
    ),
)
