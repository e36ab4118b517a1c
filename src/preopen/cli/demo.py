"""`make demo`: a real server, a real client and a sample project; what works, what is stopped.

Everything lies in a temporary folder: nothing of yours is read, and nothing is left.
"""

import re
import sys
import tempfile
import textwrap
import tomllib
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import anyio
import click
from mcp import ClientSession, StdioServerParameters, stdio_client
from mcp_types import CallToolResult, TextContent

from preopen import __version__
from preopen.cli.clients import own_command
from preopen.cli.demo_attempts import ATTEMPTS, ELSEWHERE, Attempt
from preopen.cli.demo_person import Person
from preopen.cli.demo_quarantine import quarantined_lines
from preopen.cli.demo_web import DemoWeb, serve_web
from preopen.cli.looping import import_loop
from preopen.cli.main import explain_error
from preopen.cli.printing import aligned, safe
from preopen.shipped import MANIFESTS, WASM, shipped

_WIDTH: Final = 96
_TOKEN: Final = "not-a-real-token"  # noqa: S105 - what the demo's own web wants to see
_FORMAT: Final = 'format = "Bearer {secret}", secret = "DEMO_TOKEN"'
_PROJECT: Final = {
    "README.md": "# Lighthouse\nA small program that blinks.\n",
    "notes.txt": "Buy a new lamp.\n",
    "src/blink.py": "while True:\n    blink()\n",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """The client's session with the server, and the project that the server works in."""

    session: ClientSession
    project: Path
    web: DemoWeb
    person: Person

    async def call(self, name: str, **arguments: str) -> CallToolResult:
        """Call a tool; the result comes as the model would get it."""
        return await self.session.call_tool(name, arguments)

    def short(self, text: str) -> str:
        """Return the text with the project's long path as a short one."""
        folder = str(self.project.parent)
        return safe(text.replace(folder, "…").replace(folder.removeprefix("/"), "…"))


def main() -> None:
    """Show what preopen does, in some seconds."""
    import_loop()
    with tempfile.TemporaryDirectory(prefix="preopen-demo-") as folder:
        here = Path(folder).resolve()
        _make_project(here)
        try:
            anyio.run(_run, here)
        except BaseException as error:  # noqa: BLE001 - said in words, as every verb does
            sys.exit(explain_error(error))


def _make_tool(here: Path, web: DemoWeb) -> None:
    """Write a tool that is `fetch` with a token for one host, and where the token lies."""
    fetch = shipped(MANIFESTS) / "fetch.toml"
    text = fetch.read_text()
    binary = (fetch.parent / tomllib.loads(text)["binary"]["path"]).resolve()
    text = text.replace('name = "fetch"', 'name = "whoami"')
    text = re.sub(r'(?m)^path = ".*"', f'path = "{binary}"', text)
    rule = f'allow = "{web.base}"\ncredential = {{ header = "Authorization", {_FORMAT} }}'
    (here / "tools").mkdir()
    (here / "tools" / "whoami.toml").write_text(text.replace('allow = "${egress}"', rule))
    (here / "token").touch(mode=0o600)
    (here / "token").write_text(f"{_TOKEN}\n")
    (here / "config" / "preopen").mkdir(parents=True)
    secrets = f'[secrets]\nDEMO_TOKEN = {{ file = "{here}/token" }}\n'
    policy = f'preopen = 1\n{secrets}[decide.tools]\nedit = "ask"\n'
    (here / "config" / "preopen" / "preopen.toml").write_text(policy)


def _make_project(here: Path) -> None:
    for name, text in _PROJECT.items():
        file = here / "project" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (here / "secret.txt").write_text("not part of the project\n")


async def _run(here: Path) -> None:
    with serve_web() as web:
        _make_tool(here, web)
        await _show_all(here, web)


async def _show_all(here: Path, web: DemoWeb) -> None:
    async with _connected(here, web) as demo:
        _say(f"preopen {__version__}: a server on stdio, a client, and a project in {here}/project")
        await _show_tools(demo)
        await _show_work(demo)
        await _show_stopped(demo)
        await _show_network(demo)
        await _show_asked(demo)
    _show_quarantine(here)
    _say("\nThe same for your own project:  preopen serve --workspace ~/your/project")


def _folders(here: Path) -> dict[str, str]:
    return {f"XDG_{kind}_HOME": str(here / kind.lower()) for kind in ("CONFIG", "STATE", "CACHE")}


@asynccontextmanager
async def _connected(here: Path, web: DemoWeb) -> AsyncIterator[Demo]:
    command, *words = own_command()
    guests = shipped(WASM) / "demo"
    words += ["serve", "--workspace", str(here / "project"), "--manifests", str(guests)]
    words += ["--manifests", str(here / "tools"), "--egress-private", web.base]
    words += ["--approve-all"]  # these tools are the demo's own, made for this run
    server = StdioServerParameters(command=command, args=words, env=_folders(here))
    log, person = here / "server.log", Person()
    with log.open("w") as errors:
        try:
            async with (
                stdio_client(server, errors) as streams,
                ClientSession(*streams, elicitation_callback=person) as session,
            ):
                await session.initialize()
                yield Demo(session=session, project=here / "project", web=web, person=person)
        except BaseException:
            sys.stderr.write(log.read_text())
            raise


async def _show_tools(demo: Demo) -> None:
    _head("The tools, as a client sees them")
    tools = (await demo.session.list_tools()).tools
    rows = []
    for tool in tools:
        meta: Mapping[str, Any] = tool.meta or {}
        grants = "; ".join(meta["preopen/grants"]) or "nothing"
        rows.append((tool.name, meta["preopen/level"], demo.short(grants)))
    for line in aligned(rows):
        _say(f"  {line}")


async def _show_work(demo: Demo) -> None:
    _head("Work inside the project")
    await _show(demo, "list", path=".")
    await _show(demo, "read", path="README.md")
    await _show(demo, "write", path="src/lamp.py", content="lamp = 'new'\n")
    written = (demo.project / "src/lamp.py").read_text().strip()
    _say(f"    on the disk, src/lamp.py says: {written}")


async def _show_stopped(demo: Demo) -> None:
    _head("On purpose: what is stopped, and by what")
    before = _content(demo.project)
    for number, attempt in enumerate(ATTEMPTS):
        if number:
            _say()
        await _show_attempt(demo, attempt)
    if _content(demo.project) != before:
        raise RuntimeError("the project was changed, and nothing was to change it")
    _say("\n  The project is as it was: no file more, none less, none changed.")


def _content(project: Path) -> Mapping[str, str]:
    return {str(file): file.read_text() for file in project.rglob("*") if file.is_file()}


async def _show_network(demo: Demo) -> None:
    _head(f"A network under policy: only {demo.web.base} is open, to tools that ask for it")
    await _show(demo, "fetch", url=f"{demo.web.base}/")
    _say()
    await _show_attempt(demo, ELSEWHERE)
    _say()
    _say(f"  {click.style('A token that the tool never has', bold=True)}")
    await _show(demo, "whoami", url=f"{demo.web.base}/whoami")
    (token,) = demo.web.seen
    if token != f"Bearer {_TOKEN}":
        raise RuntimeError("the token did not reach the server")
    _say(f"    the server got {token!r}; the tool was told what stands above")


def _show_quarantine(here: Path) -> None:
    _head("A tool that was approved, and changed:  preopen diff notes")
    for line in quarantined_lines(here, _folders(here)):
        _say(safe(line))
    quarantined = click.style("quarantined", fg="green")
    _say(f"  {quarantined} until a person runs  preopen approve notes")


async def _show_asked(demo: Demo) -> None:
    _head('A tool that asks a person:  [decide.tools]  edit = "ask"')
    arguments = {"path": "src/blink.py", "old_string": "blink()", "new_string": "blink(2)"}
    demo.person.answers += ["no", "once"]
    refused = await demo.call("edit", **arguments)
    for line in demo.person.lines():
        _say(f"    {demo.short(line)}")
    denied = next(line for line in _lines(demo, refused) if "said no" in line)
    _say(f"  {click.style('answer: no', fg='cyan')}    {denied}")
    done = await demo.call("edit", **arguments)
    _say(f"  {click.style('answer: once', fg='cyan')}  {_lines(demo, done)[0]}")
    if "blink(2)" not in (demo.project / "src/blink.py").read_text():
        raise RuntimeError("the edit that was allowed was not made")
    _show_receipt(demo, _receipt(done))


def _show_receipt(demo: Demo, receipt: Mapping[str, Any]) -> None:
    _head("The receipt of that call, cut down to what it named")
    memory = receipt["peak_memory_bytes"] / (1 << 20)
    times = f"{receipt['wall_time_ms']:.1f} ms, {receipt['cpu_time_ms']:.1f} ms CPU"
    rows = [
        ("outcome", receipt["outcome"]),
        ("consent", receipt["consent"]),
        ("could reach", demo.short("; ".join(receipt["grants"]))),
        ("process", "a fresh one, for this call alone"),
        ("walls", ", ".join(receipt["walls"]) or "none"),
        *([("missing", "; ".join(receipt["walls_missing"]))] if receipt["walls_missing"] else []),
        ("used", f"{times}, {memory:.1f} MiB"),
        ("sha256", receipt["sha256"]),
    ]
    for line in aligned(rows):
        _say_wrapped(line, indent="  ", after=" " * 15)


async def _show(demo: Demo, name: str, **arguments: str) -> None:
    result = await demo.call(name, **arguments)
    _say(f"  {_spelled(name, arguments)}")
    for line in _lines(demo, result)[:6]:
        _say(f"    {line}")


async def _show_attempt(demo: Demo, attempt: Attempt) -> None:
    result = await demo.call(attempt.tool, **attempt.arguments)
    spelled = _spelled(attempt.tool, attempt.arguments)
    _say(f"  {click.style(attempt.heading, bold=True)}:  {spelled}")
    lines = _lines(demo, result)
    for line in [line for line in lines if not line.endswith(":")][: attempt.shown]:
        _say_wrapped(line, indent="    ", after="    ")
    outcome = _receipt(result)["outcome"]
    if outcome != attempt.outcome or attempt.says not in "".join(lines):
        raise RuntimeError(f"{attempt.tool} was not stopped as it should be: {outcome}")
    _say(f"    {click.style('stopped by', fg='green')} {attempt.stopped_by}")


def _spelled(name: str, arguments: Mapping[str, str]) -> str:
    words = [
        f"{key}={value.strip()!r}" if " " in value else f"{key}={value}"
        for key, value in arguments.items()
    ]
    return click.style(" ".join([name, *words]), fg="cyan")


def _receipt(result: CallToolResult) -> Mapping[str, Any]:
    meta: Mapping[str, Any] = result.meta or {}
    receipt: Mapping[str, Any] = meta["preopen/receipt"]
    return receipt


def _lines(demo: Demo, result: CallToolResult) -> list[str]:
    texts = (block.text for block in result.content if isinstance(block, TextContent))
    return [demo.short(line) for text in texts for line in text.splitlines() if line.strip()]


def _head(text: str) -> None:
    _say()
    _say(click.style(text, bold=True, underline=True))


def _say_wrapped(text: str, *, indent: str, after: str) -> None:
    for line in _wrapped(text, indent, after):
        _say(line)


def _wrapped(text: str, indent: str, after: str) -> Iterator[str]:
    # break_long_words: a sha256 or a path is never torn.
    yield from textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=indent,
        subsequent_indent=after,
        drop_whitespace=True,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _say(text: str = "") -> None:
    click.echo(text)  # it leaves the colours out where nobody sees them


if __name__ == "__main__":
    main()
