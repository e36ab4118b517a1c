"""Which manifests become tools: names, doubles, `--without`, binaries that are not as pinned."""

from pathlib import Path

import pytest

from preopen.errors import BinaryError
from preopen.policy.policy import Policy
from preopen.serving.loading import find_manifests, load_registry
from preopen.serving.registry import Registry
from preopen.trust.fingerprint import written_level
from preopen.trust.lock import AllOfThisRun, Lock
from served import make_site


def registry_of(
    top: Path, *, without: frozenset[str] = frozenset(), barred: frozenset[str] = frozenset()
) -> Registry:
    """Return what a site's tools and the built-in ones come to."""
    work = str(top / "my wörk space")
    folders = (str(top / "tools"),)
    policy = Policy(workspace=work, tool_folders=folders, without=without, barred=barred)
    return load_registry(policy, AllOfThisRun(), find_manifests(policy))


def reasons(registry: Registry) -> dict[str, str]:
    """Return why each refused tool is refused."""
    return {each.name: "; ".join(map(str, each.faults)) for each in registry.refused}


def test_builtin_tools_and_the_users_are_served(tmp_path: Path) -> None:
    """Design §6: without a file preopen serves the built-in tools on the workspace."""
    make_site(tmp_path).add("mine")
    registry = registry_of(tmp_path)

    assert {"list", "mine", "read", "write"} <= set(registry.tools)
    assert sorted(registry.tools) == list(registry.tools)
    assert registry.refused == ()


def test_tools_that_come_with_preopen_need_no_approval_and_the_users_do(tmp_path: Path) -> None:
    """Issue: built-in tools come approved by the release."""
    site = make_site(tmp_path)
    site.add("mine")
    policy = Policy(workspace=str(site.work), tool_folders=(str(site.tools),))
    registry = load_registry(policy, Lock())

    assert {"list", "read", "write"} <= set(registry.tools)
    assert [tool.name for tool in registry.quarantined] == ["mine"]
    assert "mine" not in registry.tools


def test_tools_that_come_with_preopen_have_the_level_that_is_written(tmp_path: Path) -> None:
    """Ours: the level as written is what a policy derives where the asks are all it knows."""
    tools = registry_of(make_site(tmp_path).top).tools

    assert len(tools) >= 9
    assert {name: written_level(tool.manifest) for name, tool in tools.items()} == {
        name: tool.level for name, tool in tools.items()
    }


def test_name_of_a_builtin_is_refused_and_the_builtin_stays(tmp_path: Path) -> None:
    """Design §5, names: none shadows a built-in."""
    make_site(tmp_path).add("read")
    registry = registry_of(tmp_path)

    assert registry.tools["read"].manifest.builtin
    assert "--without read" in reasons(registry)["read"]


def test_without_frees_the_name_of_a_builtin(tmp_path: Path) -> None:
    """Design §5, names: `--without NAME` frees it."""
    make_site(tmp_path).add("read")
    registry = registry_of(tmp_path, without=frozenset({"read"}))

    assert not registry.tools["read"].manifest.builtin
    assert registry.refused == ()


def test_a_workspace_that_bars_a_builtin_frees_its_name_for_nobody(tmp_path: Path) -> None:
    """Ours: a workspace's file only narrows; a tool in a built-in's place would be one more."""
    make_site(tmp_path).add("read")
    registry = registry_of(tmp_path, barred=frozenset({"read"}))

    assert "read" not in registry.tools
    assert "--without read" in reasons(registry)["read"]
    assert ("read",) == registry.left_out


def test_a_workspace_bars_a_tool_of_the_users(tmp_path: Path) -> None:
    """Issue: a workspace's own file may narrow what the user's allows."""
    make_site(tmp_path).add("mine")

    assert "mine" not in registry_of(tmp_path, barred=frozenset({"mine"})).tools
    assert "read" in registry_of(tmp_path, barred=frozenset({"mine"})).tools


def test_without_drops_a_tool_of_the_users(tmp_path: Path) -> None:
    """Design §6: `without`."""
    make_site(tmp_path).add("mine")

    assert "mine" not in registry_of(tmp_path, without=frozenset({"mine"})).tools
    assert "mine" in registry_of(tmp_path).tools


def test_two_manifests_of_one_name_are_both_refused_each_naming_the_other(tmp_path: Path) -> None:
    """Design §5, names."""
    site = make_site(tmp_path)
    site.add("twin")
    (site.tools / "other.toml").write_text((site.tools / "twin.toml").read_text())
    registry = registry_of(tmp_path)
    said = {each.file: str(each.faults[0]) for each in registry.refused}

    assert "twin" not in registry.tools
    assert "other.toml" in said[str(site.tools / "twin.toml")]
    assert "twin.toml" in said[str(site.tools / "other.toml")]


def test_bad_manifest_is_refused_and_the_others_are_served(tmp_path: Path) -> None:
    """Issue: a bad manifest is a Refusal; the other tools are served."""
    site = make_site(tmp_path)
    site.add("good")
    (site.tools / "bad.toml").write_text("manifest = 1\nunknown = 2\n")
    registry = registry_of(tmp_path)

    assert "good" in registry.tools
    assert "unknown" in reasons(registry)["bad"]


@pytest.mark.parametrize("harm", ["changed", "missing"])
def test_binary_that_is_not_as_pinned_is_refused(tmp_path: Path, harm: str) -> None:
    """Design §5: sha256, checked before every compile."""
    site = make_site(tmp_path)
    site.add("mine")
    binary = site.tools / "probe.wasm"
    if harm == "changed":
        binary.write_bytes(binary.read_bytes() + b"\0")
    else:
        binary.unlink()
    registry = registry_of(tmp_path)

    assert "mine" not in registry.tools
    assert "probe.wasm" in reasons(registry)["mine"]


def test_binary_that_changes_after_the_start_is_not_compiled(tmp_path: Path) -> None:
    """Design §5: as above; the bytes are checked again where they are used."""
    site = make_site(tmp_path)
    site.add("mine")
    tool = registry_of(tmp_path).tools["mine"]
    assert len(tool.source.read()) > 0
    (site.tools / "probe.wasm").write_bytes(b"\0asm\1\0\0\0")
    with pytest.raises(BinaryError, match="is pinned"):
        tool.source.read()
