"""What happens at a call: the strictest of all files; a tool's own word before its level's."""

from hypothesis import given
from hypothesis import strategies as st

from preopen.capability import Access, Directory, Grants, Mount, Reach
from preopen.level import PermissionLevel
from preopen.policy.decisions import (
    Decision,
    Decisions,
    may_ask,
    read_decisions,
    read_narrowing,
    rule_call,
    rule_tool,
)

LEVELS = [level for level in PermissionLevel if level is not PermissionLevel.FORBIDDEN]
words = st.sampled_from([each.value for each in Decision])
documents = st.fixed_dictionaries(
    {},
    optional={
        "decide": st.dictionaries(
            st.sampled_from([*(level.value for level in LEVELS), "write-in-folders"]), words
        ).flatmap(
            lambda table: st.dictionaries(st.sampled_from(["a", "b"]), words).map(
                lambda tools: {**table, "tools": tools}
            )
        )
    },
)


def writing(*folders: str) -> tuple[Grants, list[Mount]]:
    """Return grants to write in these folders, and the mounts of a call that gets all of them."""
    grants = Grants(
        directories=tuple(
            Directory(host_path=each, guest_path=each, access=Access.WRITE) for each in folders
        ),
        level=PermissionLevel.WRITE,
    )
    mounts = [
        Mount(
            folder=-1,
            guest_paths=(each,),
            access=Access.WRITE,
            reach=Reach.TREE,
            host_paths=(f"{each}/below",),
        )
        for each in folders
    ]
    return grants, mounts


def test_without_a_file_the_usual_decisions_hold() -> None:
    """Issue: allow up to write in the workspace, ask in a named folder and for execute, deny."""
    found = {level: rule_tool([read_decisions({}, "")], "any", level).decision for level in LEVELS}
    assert [found[level].value for level in LEVELS] == ["allow", "allow", "allow", "ask", "deny"]
    grants, mounts = writing("/work", "/docs")
    inside, outside = rule_call([Decisions()], "any", grants, mounts, "/work")
    assert (inside.decision, outside.decision) == (Decision.ALLOW, Decision.ASK)
    assert "/docs" in outside.why


def test_writing_in_the_workspace_alone_is_no_writing_outside() -> None:
    """Ours: what a call does not touch is not asked about."""
    grants, mounts = writing("/work", "/docs")
    (only,) = rule_call([Decisions()], "any", grants, mounts[:1], "/work")

    assert only.decision is Decision.ALLOW
    assert may_ask([Decisions()], "any", grants, "/work")
    assert not may_ask([Decisions()], "any", writing("/work")[0], "/work")


def test_what_is_said_of_a_tool_counts_for_it_alone() -> None:
    """Ours: the more exact word counts first, stricter or not."""
    said = read_decisions({"decide": {"execute": "deny", "tools": {"a": "allow"}}}, "file")

    assert rule_tool([said], "a", PermissionLevel.EXECUTE).decision is Decision.ALLOW
    assert rule_tool([said], "b", PermissionLevel.EXECUTE).decision is Decision.DENY
    assert str(rule_tool([said], "b", PermissionLevel.EXECUTE)) == (
        'its level is execute, and file says decide.execute = "deny"'
    )


def test_forbidden_level_is_denied_whatever_is_said() -> None:
    """Design §5: never offered."""
    assert rule_tool([Decisions()], "a", PermissionLevel.FORBIDDEN).decision is Decision.DENY


@given(documents, documents, st.sampled_from(["a", "b", "c"]), st.sampled_from(LEVELS))
def test_second_file_only_narrows(
    first: dict[str, object], second: dict[str, object], name: str, level: PermissionLevel
) -> None:
    """Issue: a workspace's own file may only narrow what the user's file allows."""
    user, workspace = read_decisions(first, "user"), read_narrowing(second, "workspace")
    alone = rule_tool([user], name, level).decision
    both = rule_tool([user, workspace], name, level).decision

    assert both >= alone
    assert rule_tool([user, read_narrowing({}, "")], name, level).decision is alone
