"""`[[directory]]` and `[environment]`: what of the host a guest sees. Granted beside withheld."""

import os
from pathlib import Path

import pytest

from preopen.cells.pool import Pool
from preopen.errors import ManifestError
from preopen.policy.policy import Policy
from promises.harness import call, manifest, offer, probe, said, table

pytestmark = pytest.mark.anyio
keeps = pytest.mark.keeps

FOLDER = table("[directory]", host="${workspace}")
NARROWED = table("[directory]", host="${workspace}", narrow_to="path")
WRITING = {"write": "a.txt", "create": "new.txt", "mkdir": "new", "unlink": "b.txt"}
ACTS = [word for pair in WRITING.items() for word in pair]


@keeps("directory[].host", "granted")
async def test_granted_directory_is_read(pool: Pool, policy: Policy, kind: str) -> None:
    """Design §5: by relative path, and by the path that the host knows."""
    absolute = f"{policy.workspace}/b.txt"
    text = manifest(probe(kind), "read", "a.txt", "read", absolute, rest=FOLDER)
    answer = await call(pool, policy, text)

    assert f"read a.txt: done this is a|\nread {absolute}: done this is b|\n" == said(answer)


@keeps("directory[].host", "withheld")
async def test_without_a_directory_there_are_no_files(
    pool: Pool, policy: Policy, kind: str
) -> None:
    """Design: default nothing."""
    absolute = f"{policy.workspace}/a.txt"
    answer = await call(pool, policy, manifest(probe(kind), "read", absolute, "ls", "/"))

    assert "done" not in said(answer)


@keeps("directory[].guest", "granted")
async def test_directory_is_seen_where_the_manifest_says(
    pool: Pool, policy: Policy, kind: str
) -> None:
    """Design §5: `guest`."""
    folder = table("[directory]", host="${workspace}", guest="/data")
    answer = await call(pool, policy, manifest(probe(kind), "read", "/data/a.txt", rest=folder))

    assert "read /data/a.txt: done this is a|\n" == said(answer)


@keeps("directory[].guest", "withheld")
async def test_directory_is_seen_nowhere_else(pool: Pool, policy: Policy, kind: str) -> None:
    """Design §5: a guest that was given another path does not find the host's."""
    folder = table("[directory]", host="${workspace}", guest="/data")
    text = manifest(probe(kind), "read", f"{policy.workspace}/a.txt", rest=folder)

    assert "done" not in said(await call(pool, policy, text))


@keeps("directory[].access", "granted")
async def test_access_write_lets_the_guest_write(pool: Pool, policy: Policy, kind: str) -> None:
    """Design §2: `write` includes creating and removing."""
    folder = table("[directory]", host="${workspace}", access="write")
    answer = await call(pool, policy, manifest(probe(kind), *ACTS, rest=folder))

    assert len(WRITING) == said(answer).count("done")


@pytest.mark.parametrize("act", WRITING)
@keeps("directory[].access", "withheld")
async def test_access_read_stops_each_way_to_write(
    pool: Pool, policy: Policy, kind: str, act: str
) -> None:
    """Design §5: the default; wasmtime refuses first, Landlock stands behind it."""
    before = {path: path.stat().st_mtime_ns for path in Path(policy.workspace or "").rglob("*")}
    answer = await call(pool, policy, manifest(probe(kind), act, WRITING[act], rest=FOLDER))

    assert "done" not in said(answer)
    assert before == {path: path.stat().st_mtime_ns for path in before if path.exists()}


@keeps("directory[].access", "withheld")
async def test_write_never_reaches_preopen_s_own_files(policy: Policy) -> None:
    """Design §5: an agent must not be able to rewrite its own fence."""
    fenced = Policy(workspace=policy.workspace, own_paths=(f"{policy.workspace}/sub",))
    folder = table("[directory]", host="${workspace}", access="write")
    with pytest.raises(ManifestError, match="preopen's own"):
        offer(manifest(probe("module"), *ACTS, rest=folder), fenced)


@keeps("directory[].narrow_to", "granted")
async def test_narrowed_directory_gives_what_the_call_names(
    pool: Pool, policy: Policy, kind: str
) -> None:
    """Design §5: the one file that this call needs."""
    text = manifest(probe(kind), "read", "{path}", arguments="path", rest=NARROWED)
    answer = await call(pool, policy, text, path="sub/c.txt")

    assert "read sub/c.txt: done this is c|\n" == said(answer)
    assert (f"read {policy.workspace}/sub/c.txt (one file)",) == answer.receipt.grants


@keeps("directory[].narrow_to", "withheld")
async def test_sibling_of_what_the_call_names_stays_closed(
    pool: Pool, policy: Policy, kind: str
) -> None:
    """Design §5: the folder is mounted, and the wall is that one file."""
    words = ("stat", "{path}", "read", "b.txt")
    text = manifest(probe(kind), *words, arguments="path", rest=NARROWED)
    answer = await call(pool, policy, text, path="a.txt")

    assert "read b.txt: done" not in said(answer)


@keeps("directory[].narrow_to", "withheld")
async def test_path_that_leaves_the_grant_is_denied(pool: Pool, policy: Policy, kind: str) -> None:
    """Design §5: by a link as by dot-dot, before a cell is touched."""
    Path(policy.workspace or "", "out").symlink_to("../secret.txt")
    text = manifest(probe(kind), "read", "{path}", arguments="path", rest=NARROWED)
    answer = await call(pool, policy, text, path="out")

    assert ("Denied", "none") == (answer.receipt.outcome, answer.receipt.cell)


@keeps("environment", "granted")
async def test_variable_with_a_value_reaches_the_guest(
    pool: Pool, policy: Policy, kind: str
) -> None:
    """Design §5: `TZ = "UTC"`."""
    text = manifest(probe(kind), "env", "TZ", rest=table("environment", TZ="UTC"))

    assert "env TZ: done UTC\n" == said(await call(pool, policy, text))


@keeps("environment", "withheld")
async def test_no_variable_is_inherited(pool: Pool, policy: Policy, kind: str, secret: str) -> None:
    """Design §8: nothing inherited, ever: the zygote has none to give, and a cell gives none."""
    assert "swordfish" == os.environ[secret]
    text = manifest(probe(kind), "environ", "-", rest=table("environment", TZ="UTC"))

    assert "swordfish" not in said(await call(pool, policy, text))


FROM_HOST = "[environment]\nWORD = {{ from = '{secret}' }}\n"


@keeps("environment.*.from", "granted")
@keeps("policy:environment.names", "granted")
async def test_listed_variable_of_the_host_reaches_the_guest(
    pool: Pool, policy: Policy, kind: str, secret: str
) -> None:
    """Design §5: from the host, where the operator listed it."""
    opened = Policy(
        workspace=policy.workspace,
        environment_names=(secret,),
        environment={secret: os.environ[secret]},
    )
    text = manifest(probe(kind), "env", "WORD", rest=FROM_HOST.format(secret=secret))

    assert "env WORD: done swordfish\n" == said(await call(pool, opened, text))


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(key, marks=keeps(key, "withheld"))
        for key in ("environment.*.from", "policy:environment.names")
    ],
)
async def test_variable_that_is_not_listed_is_refused(
    policy: Policy, secret: str, key: str
) -> None:
    """Design §5: all or nothing; one that the operator does not have open is a Refusal."""
    with pytest.raises(ManifestError, match="not open"):
        offer(manifest(probe("module"), rest=FROM_HOST.format(secret=secret)), policy)
    assert key
