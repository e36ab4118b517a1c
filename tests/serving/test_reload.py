"""What a reload serves: whole edits, broken ones, and a policy that allows less or more."""

import logging
import os
import shutil
from pathlib import Path

import pytest

from lab import PROBES
from preopen.level import PermissionLevel
from preopen.serving.resources import describe_policy
from served import Site, make_site
from serving.sites import follow, surroundings, write_policy

pytestmark = pytest.mark.anyio
WRITES = '[[directory]]\nhost = "${workspace}"\naccess = "write"\n'


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Make a site with one tool of its own, and a policy file."""
    site = make_site(tmp_path)
    site.add("mine")
    write_policy(site, "")
    return site


def edit(site: Site, name: str, old: str, new: str) -> None:
    """Change a manifest."""
    file = site.tools / f"{name}.toml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def break_manifest(site: Site, name: str = "mine") -> None:
    """Make an edit that does not parse, with another description."""
    edit(site, name, "Tries what", "Breaks what")
    edit(site, name, "manifest = 1", "manifest = ")


async def test_whole_edit_is_served_and_nothing_is_loaded_where_nothing_changed(site: Site) -> None:
    """Issue 7, hot reload: what changes is served; ours: an idle server reads nothing."""
    followed = await follow(site)
    reads = followed.loading.reads
    await followed.reloader.look()
    assert (followed.loading.reads, followed.swaps) == (reads, [])

    edit(site, "mine", "Tries what", "Says what")
    await followed.reloader.look()
    assert followed.description("mine") == "Says what its arguments say."
    [(old, new)] = followed.swaps
    assert old.registry.tools["mine"].description == "Tries what its arguments say."
    assert new.policy is old.policy
    assert new.invoke is old.invoke


async def test_broken_edit_keeps_the_tool_as_it_was_and_says_so(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """Issue 7: a broken edit never takes an old tool away."""
    followed = await follow(site)
    break_manifest(site)
    with caplog.at_level(logging.WARNING):
        await followed.reloader.look()
        await followed.reloader.look()

    assert followed.description("mine") == "Tries what its arguments say."
    assert followed.refused == {"mine"}
    [line] = caplog.messages
    assert line.startswith("preopen: mine is refused (as it was before, it is served on): ")
    assert "served as it was before" in describe_policy(followed.reloader.current)

    edit(site, "mine", "manifest = ", "manifest = 1")
    await followed.reloader.look()
    assert followed.description("mine") == "Breaks what its arguments say."
    assert followed.refused == set()


async def test_tool_that_never_was_whole_is_not_served(site: Site) -> None:
    """Ours, beside the one above: what is kept is what was approved and served, and no more."""
    followed = await follow(site)
    site.add("late")
    break_manifest(site, "late")
    await followed.reloader.look()
    assert followed.names == {"mine"}
    assert followed.refused == {"late"}


async def test_manifest_that_is_deleted_takes_its_tool_away(site: Site) -> None:
    """Issue 7: a manifest that goes."""
    followed = await follow(site)
    break_manifest(site)
    await followed.reloader.look()
    (site.tools / "mine.toml").unlink()
    await followed.reloader.look()
    assert followed.names == set()


@pytest.mark.parametrize(("compiled", "kept"), [(True, {"mine"}), (False, set())])
async def test_swapped_binary_is_never_served_and_the_pinned_one_is_while_it_is_compiled(
    site: Site, *, compiled: bool, kept: set[str]
) -> None:
    """Issue 7: a swapped binary is refused; the tool stays only where the pinned bytes are had."""
    followed = await follow(site, holds=lambda _source: compiled)
    pinned = followed.reloader.current.registry.tools["mine"].source.binary
    shutil.copy(PROBES["component"], site.tools / PROBES["module"].name)
    await followed.reloader.look()

    assert followed.names == kept
    assert followed.refused == {"mine"}
    for tool in followed.reloader.current.registry.tools.values():
        assert tool.manifest.builtin or tool.source.binary == pinned


async def test_edit_that_asks_for_more_than_the_policy_allows_keeps_the_tool_as_it_was(
    site: Site,
) -> None:
    """Ours: an author's fault is no reason to take away what was granted."""
    followed = await follow(site)
    edit(site, "mine", '"${workspace}"', '"/etc"')
    await followed.reloader.look()
    assert followed.refused == {"mine"}
    granted = followed.reloader.current.registry.tools["mine"].grants.directories
    assert [each.host_path for each in granted] == [str(site.work)]


@pytest.mark.parametrize("broken", [False, True])
async def test_policy_that_allows_less_takes_a_tool_away_at_once(
    site: Site, *, broken: bool
) -> None:
    """Issue 7: keeping is for faults of an edit; what the operator withholds goes."""
    site.add("writer", level="write", more=WRITES)
    (site.tools / "writer.toml").rename(site.tools / "z.toml")
    (site.top / "config" / "preopen" / "preopen.toml").write_text(
        f'preopen = 1\nworkspace = "{site.work}"\n'
    )
    followed = await follow(site)
    assert "writer" in followed.names
    if broken:
        break_manifest(site, "z")
        await followed.reloader.look()
        assert "writer" in followed.names

    write_policy(site, 'max_level = "read-only"\n')
    await followed.reloader.look()
    assert followed.names == {"mine"}
    assert followed.reloader.current.policy.max_level is PermissionLevel.READ_ONLY


async def test_tool_that_the_operator_leaves_out_goes_though_its_file_is_broken(site: Site) -> None:
    """Ours: a broken manifest names no tool, but the one that is kept has a name."""
    followed = await follow(site)
    break_manifest(site)
    await followed.reloader.look()
    assert followed.names == {"mine"}
    write_policy(site, '[tools]\nwithout = ["mine"]\n')
    await followed.reloader.look()
    assert followed.names == set()


async def test_name_that_was_freed_from_a_builtin_is_kept_by_its_broken_tool(site: Site) -> None:
    """Ours: `without` then means the built-in, and no broken edit takes the tool away."""
    site.add("read")
    write_policy(site, '[tools]\nwithout = ["read"]\n')
    followed = await follow(site)
    assert followed.names == {"mine", "read"}
    break_manifest(site, "read")
    await followed.reloader.look()
    assert followed.names == {"mine", "read"}


async def test_name_that_another_manifest_claims_stays_with_the_tool_that_had_it(
    site: Site,
) -> None:
    """Ours: a new file cannot take a tool away by its name, nor be served in its place."""
    followed = await follow(site)
    text = (site.tools / "mine.toml").read_text()
    (site.tools / "claims.toml").write_text(text.replace("Tries", "Claims"))
    await followed.reloader.look()
    assert followed.description("mine") == "Tries what its arguments say."
    assert len(followed.reloader.current.registry.refused) == 2


async def test_broken_policy_keeps_the_policy_before_and_is_said_once(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """Issue 7: a broken edit never takes the server down; it widens and narrows nothing."""
    write_policy(site, '[tools]\nwithout = ["hash"]\n')
    followed = await follow(site)
    write_policy(site, "[tools]\nwithout = []\nunknown = 1\n")
    with caplog.at_level(logging.WARNING):
        await followed.reloader.look()
        await followed.reloader.look()
    assert "hash" not in followed.reloader.current.registry.tools
    [line] = caplog.messages
    assert line.startswith("preopen: the policy stays as it was: ")
    assert "unknown" in line

    site.add("more")
    await followed.reloader.look()
    assert followed.names == {"mine", "more"}
    write_policy(site, "[tools]\nwithout = []\n")
    await followed.reloader.look()
    assert "hash" in followed.reloader.current.registry.tools


async def test_policy_waits_for_the_folder_that_it_names(site: Site) -> None:
    """Ours: nobody has to touch the file again when what it lacked is there."""
    followed = await follow(site)
    write_policy(site, f'[tools]\nfolders = ["{site.top}/later"]\n')
    await followed.reloader.look()
    assert followed.reloader.current.policy.tool_folders == (str(site.tools),)
    (site.top / "later").mkdir()
    await followed.reloader.look()
    assert str(site.top / "later") in followed.reloader.current.policy.tool_folders


async def test_policy_file_that_is_gone_counts_at_the_second_look(site: Site) -> None:
    """Ours: an editor that writes it anew leaves a moment without it, which must open nothing."""
    write_policy(site, '[tools]\nwithout = ["hash"]\n')
    followed = await follow(site)
    file = site.top / "config" / "preopen" / "preopen.toml"
    file.rename(file.with_suffix(".bak"))
    await followed.reloader.look()
    assert "hash" not in followed.reloader.current.registry.tools
    await followed.reloader.look()
    assert "hash" in followed.reloader.current.registry.tools


async def test_policy_that_changed_is_what_later_calls_are_invoked_under(site: Site) -> None:
    """Issue 7: the policy is swapped with the tools, as one reference."""
    followed = await follow(site)
    write_policy(site, '[egress]\nhosts = ["https://docs.python.org"]\n')
    await followed.reloader.look()
    [(old, new)] = followed.swaps
    assert (len(old.policy.network.rules), len(new.policy.network.rules)) == (0, 1)


async def test_folder_of_tools_that_appears_is_picked_up(site: Site) -> None:
    """Issue 7: <config>/tools may come later."""
    followed = await follow(site)
    folder = Path(surroundings(site).config_dir, "tools")
    assert str(folder.parent) in followed.reloader.wanted()
    folder.mkdir()
    for file in site.tools.iterdir():
        shutil.copy(file, folder / file.name)
    edit(site, "mine", 'name = "mine"', 'name = "other"')
    await followed.reloader.look()
    assert followed.names == {"mine", "other"}
    assert str(folder) in followed.reloader.wanted()


async def test_binary_that_comes_after_its_manifest_heals_the_tool(site: Site) -> None:
    """Ours: a build writes the one, then the other; the binary's folder is watched, too."""
    folder = site.top / "target"
    folder.mkdir()
    shutil.move(site.tools / PROBES["module"].name, folder / "later.wasm")
    edit(site, "mine", f'"{PROBES["module"].name}"', '"../target/probe.wasm"')
    followed = await follow(site)
    assert followed.names == set()
    assert str(folder) in followed.reloader.wanted()
    (folder / "later.wasm").rename(folder / "probe.wasm")
    await followed.reloader.look()
    assert followed.names == {"mine"}


async def test_folder_of_a_kept_tool_stays_closed_to_those_who_write(site: Site) -> None:
    """Ours: a manifest that is broken for a moment opens no binary's folder to a writing tool."""
    (site.work / "bin").mkdir()
    shutil.move(site.tools / PROBES["module"].name, site.work / "bin" / "probe.wasm")
    edit(site, "mine", f'"{PROBES["module"].name}"', f'"{site.work}/bin/probe.wasm"')
    followed = await follow(site)
    assert followed.names == {"mine"}
    assert "write" not in followed.reloader.current.registry.tools
    break_manifest(site)
    await followed.reloader.look()
    assert followed.names == {"mine"}
    assert "write" not in followed.reloader.current.registry.tools

    (site.tools / "mine.toml").unlink()
    await followed.reloader.look()
    assert "write" in followed.reloader.current.registry.tools


async def test_bug_of_ours_leaves_what_was_served(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """Issue 7: nothing about a reload takes the server down."""
    followed = await follow(site)
    followed.loading.fails = True
    site.add("more")
    await followed.reloader.look()
    await followed.reloader.look()
    assert followed.names == {"mine"}
    [line] = caplog.messages
    assert "failed in preopen itself" in line
    followed.loading.fails = False
    await followed.reloader.look()
    assert followed.names == {"mine", "more"}


async def test_bug_of_ours_in_who_hears_of_a_reload_takes_nothing_down(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """Issue 7: nothing about a reload takes the server down; what was read holds."""
    followed = await follow(site)

    async def fail(_old: object, _new: object) -> None:
        raise RuntimeError("a bug of ours")

    followed.reloader.swapped = fail
    site.add("more")
    await followed.reloader.look()
    assert followed.names == {"mine", "more"}
    assert "failed in preopen itself" in caplog.messages[-1]


async def test_reload_says_in_few_lines_what_it_changed(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """Ours: a folder of a hundred broken manifests does not flood the log."""
    followed = await follow(site)
    for number in range(100):
        (site.tools / f"bad{number}.toml").write_text("manifest = 1\n")
    (site.tools / "evil\n[31m.toml").write_text("\x1b]0;x\x07")
    site.add("more")
    edit(site, "mine", "Tries", "Tells")
    with caplog.at_level(logging.WARNING):
        await followed.reloader.look()
    assert caplog.messages[0] == "preopen: reloaded; new: more; changed: mine"
    assert len(caplog.messages) == 21
    assert all(line.isprintable() for line in caplog.messages)
    assert os.linesep not in "".join(caplog.messages)


UNKNOWN = "no tool miner is known here: a typo?"


async def test_a_name_that_no_tool_has_is_said_after_the_reload_that_brings_it(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """Ours: what the operator means to hold by a typo is not held; said once, and again if new."""
    followed = await follow(site)
    quota = "[quota.miner]\ncalls_per_hour = 1\n"
    for text in (quota, f"{quota}[limits]\ncells = 3\n"):
        write_policy(site, text)
        with caplog.at_level(logging.WARNING):
            await followed.reloader.look()
    assert [UNKNOWN in line for line in caplog.messages].count(True) == 1
    assert "if you mean mine, write that" in caplog.text
    assert len(followed.swaps) == 2

    write_policy(site, f"{quota}[decide.tools]\nminer = 'deny'\n")
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        await followed.reloader.look()
    (line,) = [line for line in caplog.messages if UNKNOWN in line]
    assert "decide.tools.miner" in line


async def test_a_name_is_said_when_its_tool_goes_and_not_while_it_is_there(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """Ours, beside the one above: a quota for nobody is one whatever took its tool away."""
    followed = await follow(site)
    write_policy(site, "[quota.mine]\ncalls_per_hour = 1\n")
    with caplog.at_level(logging.WARNING):
        await followed.reloader.look()
        assert "a typo?" not in caplog.text
        (site.tools / "mine.toml").unlink()
        await followed.reloader.look()
    assert "quota.mine: no tool mine is known here: a typo?" in caplog.text
