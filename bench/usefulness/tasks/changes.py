"""Tasks that change files. Both sides look first, change, and are shown what became of it."""

from collections import Counter
from typing import Final

from bench.usefulness import facts, reading
from bench.usefulness.task import Task, call

ARRAYS: Final = (
    "django/contrib/postgres/fields/array.py",
    "django/contrib/postgres/forms/array.py",
    "django/contrib/postgres/utils.py",
)
STORAGE: Final = "django/core/files/storage/base.py"
SETTINGS: Final = "django/conf/global_settings.py"
NEW_TEST: Final = "tests/utils_tests/test_salted_hmac.py"
NEW_TEXT: Final = '''\
import hashlib

from django.test import SimpleTestCase
from django.utils.crypto import salted_hmac


class SaltedHmacTests(SimpleTestCase):
    def test_algorithm(self):
        """The digest is as long as the algorithm's."""
        for algorithm in ("sha1", "sha256", "sha512"):
            with self.subTest(algorithm=algorithm):
                self.assertEqual(
                    salted_hmac("salt", "value", algorithm=algorithm).digest_size,
                    hashlib.new(algorithm).digest_size,
                )
'''

OLD: Final = "prefix_validation_error"
NEW: Final = "prefixed_validation_error"
INSECURE: Final = r"^((SESSION|CSRF)_COOKIE_SECURE) = False"

CHANGES: Final = (
    Task(
        name="Rename a function in all files",
        ours=[
            call("grep", pattern=rf"\b{OLD}\b"),
            *(
                call("edit", path=path, old_string=OLD, new_string=NEW, replace_all=True)
                for path in ARRAYS
            ),
        ],
        plain=[
            f"grep -rnw {OLD} .",
            f"grep -rlw {OLD} . | xargs sed -i 's/\\b{OLD}\\b/{NEW}/g' && grep -rnw {NEW} .",
        ],
        answers=lambda tree, said: facts.rewritten(tree, ".", OLD, NEW) <= reading.words(said[1:]),
        changes=lambda tree: facts.with_replaced(tree, ".", rf"\b{OLD}\b", NEW),
    ),
    Task(
        name="Correct a misspelt word",
        ours=[
            call("grep", pattern=r"\boverriden\b", path="django"),
            call(
                "edit", path=STORAGE, old_string="is overriden and", new_string="is overridden and"
            ),
        ],
        plain=[
            "grep -rnw overriden django",
            f"sed -i '40s/overriden/overridden/' {STORAGE} && sed -n '40p' {STORAGE}",
        ],
        answers=lambda tree, said: (
            facts.rewritten(tree, "django", "overriden", "overridden") <= reading.words(said[1:])
        ),
        changes=lambda tree: facts.with_replaced(tree, "django", r"\boverriden\b", "overridden"),
    ),
    Task(
        name="Change two settings in a file",
        ours=[
            call("grep", pattern="COOKIE_SECURE", path=SETTINGS),
            call(
                "edit",
                path=SETTINGS,
                edits=[
                    {
                        "old_string": f"{name}_COOKIE_SECURE = False",
                        "new_string": f"{name}_COOKIE_SECURE = True",
                    }
                    for name in ("SESSION", "CSRF")
                ],
            ),
        ],
        plain=[
            f"grep -n COOKIE_SECURE {SETTINGS}",
            rf"sed -i -E 's/{INSECURE}/\1 = True/' {SETTINGS} && grep -n COOKIE_SECURE {SETTINGS}",
        ],
        answers=lambda _, said: (
            Counter(["SESSION_COOKIE_SECURE = True", "CSRF_COOKIE_SECURE = True"])
            <= reading.words(said[1:])
        ),
        changes=lambda tree: facts.with_replaced(tree, "django/conf", INSECURE, r"\1 = True"),
    ),
    Task(
        name="Add a test file",
        ours=[call("write", path=NEW_TEST, content=NEW_TEXT)],
        plain=[f"cat > {NEW_TEST} <<'EOF'\n{NEW_TEXT}EOF"],
        answers=lambda *_: True,  # what counts is the file
        changes=lambda _: {NEW_TEST: NEW_TEXT.encode()},
    ),
)
