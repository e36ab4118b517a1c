"""Tasks that ask what is there."""

from typing import Final

from bench.usefulness import facts, reading
from bench.usefulness.task import Task, call

LICENCES: Final = (
    "django/contrib/admin/static/admin/css/vendor/select2/LICENSE-SELECT2.md",
    "django/contrib/admin/static/admin/js/vendor/select2/LICENSE.md",
)

OVERVIEWS: Final = (
    Task(
        name="See the tree of a package, with sizes",
        ours=[call("list", path="django/template", depth=3)],
        plain=[r"find django/template -type f -printf '%p %s\n' | sort"],
        answers=lambda tree, said: reading.agree(
            reading.sizes(said[-1]), facts.sizes(tree, "django/template")
        ),
    ),
    Task(
        name="Find files by their path",
        ours=[call("glob", pattern="django/**/templatetags/*.py")],
        plain=["find django -path '*/templatetags/*.py'"],
        answers=lambda tree, said: (
            reading.paths(said[-1]) == facts.paths(tree, "django", r"/templatetags/[^/]*\.py$")
        ),
    ),
    Task(
        name="Count the files of a kind",
        ours=[call("glob", pattern="*.po", limit=1)],
        plain=["find . -name '*.po' | wc -l"],
        answers=lambda tree, said: reading.total(said[-1]) == len(facts.paths(tree, ".", r"\.po$")),
    ),
    Task(
        name="Find the files that changed last",
        ours=[call("glob", pattern="docs/releases/*", limit=3)],
        plain=["ls -t docs/releases/* | head -3"],
        answers=lambda tree, said: (
            set(reading.paths(said[-1])) == facts.newest(tree, "docs/releases", 3)
        ),
    ),
    Task(
        name="Tell whether two files are the same",
        ours=[call("hash", paths=list(LICENCES))],
        plain=[f"sha256sum {' '.join(LICENCES)}"],
        answers=lambda tree, said: (
            reading.digests(said[-1]) == [facts.digest(tree, each) for each in LICENCES]
        ),
    ),
)
