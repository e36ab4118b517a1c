"""`hash`: digests of files, as one JSON object."""

import hashlib
import json
import os
import threading
from pathlib import Path

import pytest
from mcp import Client

from tools.desk import Desk, text_of

pytestmark = pytest.mark.anyio

ALGORITHMS = ("sha256", "sha512", "blake3", "sha1", "md5")
# From the algorithm's own test vectors: Python's library lacks it.
BLAKE3 = {
    0: "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
    102_400: "bc3e3d41a1146b069abffad3c0d44860cf664390afce4d9661f7902e7943e085",
}


async def digests(
    desk: Desk, *names: str, algorithm: str = "sha256"
) -> dict[str, tuple[str, int] | str]:
    """Return each path's digest and size, or its error."""
    paths = [desk.path(name) for name in names]
    result = await desk.call("hash", paths=paths, algorithm=algorithm)
    assert not result.is_error, text_of(result)
    answer = result.structured_content
    assert answer is not None
    assert json.loads(text_of(result)) == answer
    assert answer["algorithm"] == algorithm
    return {
        file["path"].removeprefix(f"{desk.name}/"): (file["digest"], file["size"])
        if "digest" in file
        else file["error"]
        for file in answer["files"]
    }


@pytest.mark.parametrize("algorithm", [name for name in ALGORITHMS if name != "blake3"])
async def test_digest_is_what_others_compute(desk: Desk, algorithm: str) -> None:
    """Issue: sha256, sha512, sha1, md5, of an empty file too."""
    files = {"empty": b"", "a": b"abc\r\n\0\xff", "b": bytes(range(256)) * 9001}
    for name, content in files.items():
        desk.put(name, content)

    assert await digests(desk, *files, algorithm=algorithm) == {
        name: (hashlib.new(algorithm, content, usedforsecurity=False).hexdigest(), len(content))
        for name, content in files.items()
    }


async def test_blake3_gives_its_test_vectors(desk: Desk) -> None:
    """Issue: blake3."""
    for size in BLAKE3:
        desk.put(f"{size}", (bytes(range(251)) * 409)[:size])

    assert await digests(desk, *map(str, BLAKE3), algorithm="blake3") == {
        str(size): (digest, size) for size, digest in BLAKE3.items()
    }


async def test_sha256_is_the_default_and_a_name_must_be_known(desk: Desk) -> None:
    """Issue: five algorithms. Ours: sha256 where none is named."""
    desk.put("a", "abc")

    said = json.loads(await desk.says("hash", paths=[desk.path("a")]))

    assert said["algorithm"] == "sha256"
    assert said["files"][0]["digest"] == hashlib.sha256(b"abc").hexdigest()
    assert '"md5", found "crc32"' in await desk.refuses(
        "hash", paths=[desk.path("a")], algorithm="crc32"
    )


async def test_tool_promises_the_shape_of_its_answer(client: Client) -> None:
    """Issue: a json tool with an output schema."""
    tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    schema = tools["hash"].output_schema

    assert schema is not None
    assert schema["required"] == ["algorithm", "files"]
    assert set(schema["properties"]["files"]["items"]["properties"]) == {
        *("path", "digest", "size", "error")
    }


async def test_large_file_is_digested_whole(desk: Desk) -> None:
    """Issue: a 100 MB file."""
    piece, whole = bytes(range(250)) * 4000, hashlib.sha256()
    with (desk.folder / "big").open("wb") as file:
        for _ in range(100):
            file.write(piece)
            whole.update(piece)

    assert await digests(desk, "big") == {"big": (whole.hexdigest(), 100_000_000)}


async def test_one_bad_path_costs_no_other_its_digest(desk: Desk) -> None:
    """Ours: a missing or closed file, or a folder, has its error where its digest would be."""
    desk.put("sub/a", "abc")
    desk.put("closed", "abc").chmod(0)
    (desk.folder / "dangling").symlink_to("nowhere")

    assert await digests(desk, "missing", "sub", "sub/a", "closed", "dangling") == {
        "missing": "does not exist",
        "sub": "is a folder: name the files in it",
        "sub/a": (hashlib.sha256(b"abc").hexdigest(), 3),
        "closed": "permission denied",
        "nowhere": "does not exist",
    }


async def test_nothing_but_bad_paths_is_an_error(desk: Desk) -> None:
    """Ours: who gets no digest at all must not take the answer for a good one."""
    (desk.folder / "sub").mkdir()

    said = await desk.refuses("hash", paths=[desk.path("missing"), desk.name])

    assert said.endswith(
        f"{desk.name}/missing: does not exist\n{desk.name}: is a folder: name the files in it"
    )
    assert "1 or more" in await desk.refuses("hash", paths=[])


async def test_path_outside_denies_the_whole_call(desk: Desk, tmp_path: Path) -> None:
    """Design §5: outside is a Denial before a cell is touched."""
    desk.put("a", "abc")
    (tmp_path / "secret").write_text("secret")

    said = await desk.refuses("hash", paths=[desk.path("a"), str(tmp_path / "secret")])

    assert said.startswith("Denied: ")
    assert hashlib.sha256(b"abc").hexdigest() not in said


async def test_call_takes_a_hundred_files_wherever_they_lie(desk: Desk) -> None:
    """Ours: as many as one call may name, each in a folder of its own, and one twice."""
    names = [f"d{number}/file" for number in range(100)]
    for name in names:
        desk.put(name, name)

    found = await digests(desk, *names)
    twice = await desk.call("hash", paths=[desk.path("d1/file")] * 2)

    assert found == {name: (hashlib.sha256(name.encode()).hexdigest(), len(name)) for name in names}
    assert twice.structured_content is not None
    assert len(twice.structured_content["files"]) == 2
    assert "at most 100" in await desk.refuses("hash", paths=[desk.path("d1/file")] * 101)


async def test_file_that_changes_meanwhile_has_the_digest_of_some_bytes(desk: Desk) -> None:
    """Issue: a file changed while it is read. Ours: the size is that of what was digested."""
    file = desk.put("a", bytes(20_000_000))
    of_zeros = {0: hashlib.sha256().hexdigest()}
    changes, done = 0, threading.Event()

    def change() -> None:
        nonlocal changes
        while not done.is_set():
            for size in (0, 20_000_000, 1_000_000, 20_000_000):
                os.truncate(file, size)
                changes += 1

    def expected(size: int) -> str:
        if size not in of_zeros:
            of_zeros[size] = hashlib.sha256(bytes(size)).hexdigest()
        return of_zeros[size]

    changer = threading.Thread(target=change)
    changer.start()
    try:
        changed_meanwhile = 0
        while changed_meanwhile < 10:
            before = changes
            found = (await digests(desk, "a"))["a"]
            changed_meanwhile += changes > before
            assert found == (expected(int(found[1])), found[1])
    finally:
        done.set()
        changer.join()
