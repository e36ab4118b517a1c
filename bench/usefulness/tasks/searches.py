"""Tasks that look for something in the files."""

from typing import Final

from bench.usefulness import facts, reading
from bench.usefulness.task import Task, call

EXCEPTIONS: Final = "django.core.exceptions"
IMPORT: Final = r"^from django\.core\.exceptions import \([^)]*\)"

SEARCHES: Final = (
    Task(
        name="Find where a class is defined",
        ours=[call("grep", pattern=r"^\s*class QuerySet\b", type="py")],
        plain=[r"grep -rnE --include='*.py' '^\s*class QuerySet\b' ."],
        answers=lambda tree, said: reading.lines(said) == facts.definitions(tree, ".", "QuerySet"),
    ),
    Task(
        name="List a function's callers",
        ours=[call("grep", pattern=r"\bget_random_string\(", path="django", type="py")],
        plain=[r"grep -rn --include='*.py' '\bget_random_string(' django"],
        answers=lambda tree, said: (
            reading.lines(said)
            == facts.calls(tree, "django", "get_random_string")
            | facts.definitions(tree, "django", "get_random_string")
        ),
    ),
    Task(
        name="See how a function is used, with two lines around",
        ours=[
            call("grep", pattern=r"\bconstant_time_compare\(", path="django", type="py", context=2)
        ],
        plain=[r"grep -rn -C2 --include='*.py' '\bconstant_time_compare(' django"],
        answers=lambda tree, said: (
            reading.lines(said)
            == facts.matches(tree, "django", r"\bconstant_time_compare\(", around=2)
        ),
    ),
    Task(
        name="Collect the to-dos of a package",
        ours=[call("grep", pattern=r"\b(TODO|FIXME|XXX)\b", path="django/db", type="py")],
        plain=[r"grep -rnE --include='*.py' '\b(TODO|FIXME|XXX)\b' django/db"],
        answers=lambda tree, said: (
            reading.lines(said) == facts.matches(tree, "django/db", r"\b(TODO|FIXME|XXX)\b")
        ),
    ),
    Task(
        name="Find the tests that mention a class",
        ours=[
            call(
                "grep",
                pattern=r"\bTransactionTestCase\b",
                path="tests",
                type="py",
                output_mode="files_with_matches",
            )
        ],
        plain=["grep -rlw --include='*.py' TransactionTestCase tests"],
        answers=lambda tree, said: (
            reading.paths(said[-1])
            == sorted(facts.counts(tree, "tests", r"\bTransactionTestCase\b"))
        ),
    ),
    Task(
        name="Count uses per file",
        ours=[
            call(
                "grep",
                pattern="@override_settings",
                path="tests/auth_tests",
                type="py",
                output_mode="count",
            )
        ],
        plain=["grep -rc --include='*.py' '@override_settings' tests/auth_tests | grep -v ':0$'"],
        answers=lambda tree, said: (
            reading.counts(said[-1]) == facts.counts(tree, "tests/auth_tests", "@override_settings")
        ),
    ),
    Task(
        name="Find imports that span several lines",
        ours=[
            call(
                "grep",
                pattern=IMPORT,
                path="django",
                type="py",
                multiline=True,
            )
        ],
        plain=[
            rf"grep -rPzo --include='*.py' '(?m){IMPORT}' django | tr '\0' '\n'",
        ],
        answers=lambda tree, said: (
            reading.imports(said, EXCEPTIONS) == facts.imports(tree, "django", EXCEPTIONS)
        ),
    ),
)
