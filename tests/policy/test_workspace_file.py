"""A workspace's own preopen.toml over the operator's policy: it narrows, and widens nothing."""

import json
import os
from dataclasses import asdict, dataclass, replace
from importlib.resources import files
from pathlib import Path

import pytest

from policy.narrowed import MINE, TABLE
from preopen.document import MAX_FAULTS
from preopen.errors import PolicyError
from preopen.level import PermissionLevel
from preopen.policy.decisions import Decision, rule_tool
from preopen.policy.flags import Flags, Surroundings
from preopen.policy.policy import Policy
from preopen.policy.quotas import Quota
from preopen.policy.settings import load_policy
from preopen.policy.workspace_file import MOST_HELD, ROWS, Held, first_ignored
from promises.leaves import leaves


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """A home with the operator's file, and a workspace in it."""

    home: Path
    around: Surroundings

    @property
    def mine(self) -> Path:
        """The operator's file."""
        return Path(self.around.config_dir) / "preopen.toml"

    @property
    def theirs(self) -> Path:
        """The workspace's."""
        return self.home / "app/preopen.toml"

    def policy(self, text: str | None = None, flags: Flags | None = None) -> Policy:
        """Load; `text` is the workspace's file, without its format."""
        if text is not None:
            self.theirs.write_text("preopen = 1\n" + text)
        return load_policy(flags or Flags(), self.around)

    def faults(self) -> list[str]:
        """Load what cannot be loaded."""
        with pytest.raises(PolicyError) as caught:
            self.policy()
        return [str(fault) for fault in caught.value.faults]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    home = tmp_path.resolve() / "home"
    for name in ("app/tools", "docs", "look", ".config/preopen"):
        (home / name).mkdir(parents=True)
    around = Surroundings(
        cwd=str(home / "app"),
        home=str(home),
        config_dir=str(home / ".config/preopen"),
        state_dir=str(home / ".state/preopen"),
        cache_dir=str(home / ".cache/preopen"),
        environ={"LANG": "C", "TZ": "UTC", "TOKEN": "swordfish-swordfish"},
    )
    (home / ".config/preopen/preopen.toml").write_text(MINE)
    return Desk(home=home, around=around)


def test_every_key_of_the_operator_s_file_has_a_row_here_and_there() -> None:
    """Issue: it may only narrow; a key that nobody thought of would do neither, and unsaid."""
    text = files("preopen.policy").joinpath("preopen.schema.json").read_text(encoding="utf-8")
    keys = set(leaves(json.loads(text)))

    assert keys == set(ROWS)
    assert keys == set(TABLE)


def plain(policy: Policy) -> Policy:
    """Return the policy without what only tells where it came from, or decides nothing more."""
    layers = policy.decisions[:1]
    return replace(policy, origins={}, workspace_file="", ignored=(), decisions=layers)


def decided(policy: Policy, key: str) -> Decision:
    """Return what the strictest file says of a level, of writing in folders, or of a tool."""
    levels = {level.value for level in policy.decisions[0].levels}
    if key in levels:
        return max(each.levels[PermissionLevel(key)] for each in policy.decisions)
    if key == "write-in-folders":
        return max(each.folder_writes for each in policy.decisions)
    return max(each.tools.get(key, Decision.ALLOW) for each in policy.decisions)


def all_decided(policy: Policy) -> dict[str, Decision]:
    """Return the same of every level, of writing in folders, and of the tools that are named."""
    levels = [level.value for level in policy.decisions[0].levels]
    tools = [name for each in policy.decisions for name in each.tools]
    return {key: decided(policy, key) for key in [*levels, "write-in-folders", *tools]}


@pytest.mark.parametrize("key", [key for key, row in TABLE.items() if row.same])
def test_what_is_open_already_changes_nothing_and_is_not_said(desk: Desk, key: str) -> None:
    """Issue: said when it tries more, and only then."""
    before, after = desk.policy(), desk.policy(TABLE[key].same)

    assert () == after.ignored
    assert plain(before) == plain(after)
    assert all_decided(before) == all_decided(after)


@pytest.mark.parametrize("key", [key for key, row in TABLE.items() if row.less])
def test_what_it_asks_less_of_is_less(desk: Desk, key: str) -> None:
    """Issue: a workspace's own file may narrow what the user's allows."""
    row = TABLE[key]
    before, after = desk.policy(), desk.policy(row.less)
    found = {
        **{name: getattr(after, name) for name in Policy.__slots__},
        "access": {each.name: each.access for each in after.folders},
        "hosts": [f"https://{each.host.text}{each.path}" for each in after.network.hosts],
        "private": [each.host.text for each in after.network.private],
        "records_paths": after.network.records_paths,
        "fetch": asdict(after.quotas.quotas["fetch"]),
        "thens": [
            ({str(desk.mine): "mine", str(desk.theirs): "theirs"}[each.place], each.then)
            for each in after.flows
        ],
    }
    if "decided" in row.changed:
        name, decision = row.changed["decided"]
        found["decided"] = (name, decided(after, name))
        assert decided(before, name) < decision

    assert row.changed.items() <= found.items()
    assert () == after.ignored
    assert bool(row.changed) == (
        plain(before) != plain(after) or all_decided(before) != all_decided(after)
    )
    if row.changed and not {"decided", "thens"} & set(row.changed):  # these name their file
        assert [each for each in after.origins.values() if str(desk.theirs) in each]


@pytest.mark.parametrize("key", [key for key, row in TABLE.items() if row.more])
def test_what_it_tries_more_does_not_count_and_is_said(desk: Desk, key: str) -> None:
    """Issue: it never widens, and says so with the place where a person could."""
    before, after = desk.policy(), desk.policy(TABLE[key].more)
    (line,) = after.ignored

    assert line.startswith(f"{desk.theirs}: {TABLE[key].said}")
    assert line.endswith(
        f"a workspace's file can only narrow. To open it, write it into {desk.mine}"
    )
    assert plain(before) == plain(after)
    assert all_decided(before) == all_decided(after)


def test_paths_are_recorded_only_where_the_operator_says_so(desk: Desk) -> None:
    """Issue: it may only narrow; a record of paths is one more thing that leaves."""
    desk.mine.write_text("preopen = 1\n")
    policy = desk.policy("[egress]\nrecord_paths = true\n")

    assert not policy.network.records_paths
    assert policy.ignored[0].startswith(f"{desk.theirs}: egress.record_paths: receipts show no")


def test_a_host_is_cut_to_what_both_have_open(desk: Desk) -> None:
    """Ours: a wider rule is said, and leaves what it has in common with the operator's."""
    policy = desk.policy('[egress]\nhosts = ["https://*"]\nprivate = ["http://localhost:3000"]\n')

    assert {"example.com", "api.example.org"} == {each.host.text for each in policy.network.hosts}
    assert [(3000, 3000)] == [each.ports for each in policy.network.private]
    assert all(each.private for each in policy.network.private)
    assert [f'{desk.theirs}: egress.hosts[0]: "https://*" is not within what you opened'] == [
        line.partition(";")[0] for line in policy.ignored
    ]


def test_quotas_are_the_lower_ones_tool_by_tool(desk: Desk) -> None:
    """Ours: in each file a tool's own table stands in place of that of every tool."""
    policy = desk.policy(
        '[quota."*"]\ncalls_per_hour = 50\ncalls_per_day = 2000\n'
        "[quota.hash]\nbytes_out_per_hour = 9\n[quota.grep]\ncalls_per_day = 7\n"
    )
    quotas = policy.quotas.quotas

    assert {
        "fetch": Quota(calls_per_hour=50, calls_per_day=2000, bytes_out_per_day=1 << 20),
        "*": Quota(calls_per_hour=50, calls_per_day=1000),
        "hash": Quota(calls_per_day=1000, bytes_out_per_hour=9),
        "grep": Quota(calls_per_day=7),
    } == quotas
    assert policy.origins["quota.fetch.calls_per_hour"] == str(desk.theirs)
    assert policy.quotas.lowered[("fetch", "calls_per_hour")] == str(desk.theirs)
    assert ("fetch", "bytes_out_per_day") not in policy.quotas.lowered
    assert policy.origins["quota.fetch.bytes_out_per_day"] == str(desk.mine)
    assert policy.origins["quota.hash.calls_per_day"] == str(desk.mine)
    assert [f'{desk.theirs}: quota["*"].calls_per_day: 2000 is above your 1000'] == [
        line.partition(";")[0] for line in policy.ignored
    ]


def test_flags_are_narrowed_as_well(desk: Desk) -> None:
    """Issue: it narrows what the user's file allows; so it does what a flag over it allows."""
    text = 'max_level = "read-only"\n[egress]\nhosts = ["https://docs.python.org/3"]\n'
    policy = desk.policy(text, Flags(allow="dangerous", egress=("https://docs.python.org",)))

    assert policy.max_level is PermissionLevel.READ_ONLY
    assert policy.origins["max_level"] == str(desk.theirs)
    assert ["/3"] == [each.path for each in policy.network.hosts]
    assert policy.origins["egress.hosts"] == f"{desk.mine} and --egress and {desk.theirs}"


def test_without_an_own_file_the_usual_one_is_named_as_the_way_out(desk: Desk) -> None:
    """Ours: the way out is a file that a person may have to make."""
    desk.mine.unlink()
    policy = desk.policy('max_level = "dangerous"\n')

    assert policy.ignored[0].endswith(f"write it into {desk.mine}")


@pytest.mark.parametrize("way", ["policy", "usual", "link", "beside"])
def test_the_user_s_own_file_is_not_applied_again(desk: Desk, way: str) -> None:
    """Ours: one that lies in the workspace is the operator's all the same."""
    text = "preopen = 1\n[limits]\nmemory = '2GiB'\n[secrets]\nX = { environment = 'TOKEN' }\n"
    flags = Flags()
    desk.mine.unlink()
    match way:
        case "policy":
            desk.theirs.write_text(text)
            flags = Flags(policy_file="preopen.toml")
        case "usual":
            desk.theirs.write_text(text)
            desk.mine.symlink_to(desk.theirs)
        case "link":
            desk.mine.write_text(text)
            desk.theirs.symlink_to(desk.mine)
        case "beside":  # the usual file, where --policy names another
            desk.mine.write_text(text)
            desk.theirs.hardlink_to(desk.mine)
            other = desk.home / "other.toml"
            other.write_text(text)
            flags = Flags(policy_file=str(other))
    policy = desk.policy(None, flags)

    assert (2 << 30, (), "") == (
        policy.ceilings["memory"],
        policy.ignored,
        policy.workspace_file,
    )


@pytest.mark.parametrize("text", [None, "", 'max_level = "write"\n', 'max_level = "none"\n'])
def test_what_it_narrowed_once_stays_so_while_a_server_runs(desk: Desk, text: str | None) -> None:
    """Ours: a tool that may write in the workspace lifts nothing by changing or removing it."""
    desk.theirs.write_text('preopen = 1\nmax_level = "read-only"\n[decide]\nnone = "ask"\n')
    held: Held = {}
    before = load_policy(Flags(), desk.around, held)
    desk.theirs.unlink()
    if text is not None:
        desk.theirs.write_text(f"preopen = 1\n{text}")
    after = load_policy(Flags(), desk.around, held)
    anew = load_policy(Flags(), desk.around)

    assert before.max_level is PermissionLevel.READ_ONLY
    lowest = PermissionLevel.NONE if text and "none" in text else PermissionLevel.READ_ONLY
    assert after.max_level is lowest
    ruling = rule_tool(after.decisions, "any", PermissionLevel.NONE)
    assert ruling.decision is Decision.ASK
    assert (anew.max_level is lowest) == (lowest is PermissionLevel.NONE)


def test_file_that_changes_without_end_is_a_fault(desk: Desk) -> None:
    """Ours: what is held is bounded; a reload that fails leaves the policy as it was."""
    held: Held = {str(desk.theirs): [b"preopen = 1\n# %d" % n for n in range(MOST_HELD)]}
    desk.theirs.write_text("preopen = 1\n")

    with pytest.raises(PolicyError, match="start preopen anew"):
        load_policy(Flags(), desk.around, held)


def test_without_a_workspace_there_is_no_such_file(desk: Desk) -> None:
    """Ours: the home folder is no workspace, and what lies in it narrows nothing."""
    (desk.home / "preopen.toml").write_text("no TOML\n")

    assert desk.policy(None, Flags(workspace="~")).workspace is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x y", "not TOML: "),
        ("preopen = 2", 'preopen: found 2; write "preopen = 1"'),
        ('preopen = 1\nmax_levle = "none"', 'max_levle: unknown key; did you mean "max_level"?'),
        ('preopen = 1\n[limits]\nmemory = "1MB"', "limits.memory: '1MB' is not understood"),
        ('preopen = 1\n[quota."a b"]\ncalls_per_day = 1', 'quota: "a b" is no tool\'s name'),
        ('preopen = 1\n[quota.a]\nbytes_out_per_day = "1MB"', "quota.a.bytes_out_per_day: "),
        ('preopen = 1\n[[flow]]\nfrom = [{ tool = "a b" }]\nthen = "ask"', "flow[0].from: "),
        ('preopen = 1\n[egress]\nhosts = ["a.b"]', 'egress.hosts[0]: "a.b" has no scheme'),
        ('preopen = 1\n[egress]\nprivate = ["http://*"]', 'egress.private[0]: "http://*"'),
        ('preopen = 1\n[tools]\nwithout = ["a b"]', 'tools.without: "a b" is no tool\'s name'),
        ('preopen = 1\n[decide.tools]\n"a b" = "ask"', 'decide.tools: "a b" is no tool\'s name'),
        ('preopen = 1\n[cells."a b"]\ncalls_per_cell = 1', 'cells: "a b" is no tool\'s name'),
        ("preopen = 1 # " + "x" * (256 << 10), "not readable: larger than 256 KiB"),
    ],
)
def test_a_damaged_file_serves_nothing(desk: Desk, text: str, expected: str) -> None:
    """Ours: fail closed; half a file narrows half."""
    desk.theirs.write_text(text)
    (fault,) = desk.faults()

    assert fault.startswith(f"{desk.theirs}: {expected}")


def test_what_is_said_of_a_damaged_file_has_an_end(desk: Desk) -> None:
    """Ours: a stranger's file fills no terminal, with many faults or with long words."""
    names = ", ".join(f'"a {number}"' for number in range(1000))
    quota = f"[quota.{'b' * 9000}]\nbytes_out_per_day = 0\n"
    desk.theirs.write_text(f"preopen = 1\n[tools]\nwithout = [{names}]\n{quota}")
    faults = desk.faults()

    assert len(faults) == MAX_FAULTS
    desk.theirs.write_text(f"preopen = 1\n{quota}")
    assert all(len(fault) < 2000 for fault in desk.faults())


@pytest.mark.parametrize("kind", ["link", "loop", "folder", "pipe"])
def test_only_a_regular_file_is_read(desk: Desk, kind: str) -> None:
    """Ours: a stranger's repository can hold links; a pipe would be waited for."""
    match kind:
        case "link":
            other = desk.home / "other.toml"
            other.write_text("preopen = 1\n")
            desk.theirs.symlink_to(other)
        case "loop":
            desk.theirs.symlink_to(desk.theirs)
        case "folder":
            desk.theirs.mkdir()
        case "pipe":
            os.mkfifo(desk.theirs)
    (fault,) = desk.faults()

    assert fault.startswith(f"{desk.theirs}: ")
    assert fault.endswith("make it a readable TOML file and no link, or remove it")


def test_a_line_of_it_cannot_forge_another(desk: Desk) -> None:
    """Ours: what is repeated of a stranger's file stays short, and on its line."""
    name = "x" * 100
    policy = desk.policy(f'[variables]\n{name} = """a\npreopen: all is well"""\n')
    (line,) = policy.ignored

    assert line.isprintable()
    assert name not in line


def test_at_a_start_ten_lines_are_said_and_the_number_of_the_others(desk: Desk) -> None:
    """Ours: a stranger's file fills no log."""
    table = "\n".join(f'n{number} = "x"' for number in range(12))
    policy = desk.policy(f"[variables]\n{table}\n")
    *first, last = first_ignored(policy)

    assert first == list(policy.ignored[:10])
    assert last == (
        f"{desk.theirs}: 2 more of its values do not count; `preopen policy` shows them all"
    )
