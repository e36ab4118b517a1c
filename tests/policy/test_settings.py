"""preopen.toml and flags → Policy."""

import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import pytest

from preopen.capability import CEILINGS, DEFAULT_CELLS, LIMIT_KEYS, Access
from preopen.errors import PolicyError
from preopen.layer import Layer
from preopen.level import PermissionLevel
from preopen.policy.flags import Flags, Surroundings
from preopen.policy.policy import NamedFolder, Policy
from preopen.policy.quotas import Quota, QuotaPolicy
from preopen.policy.settings import load_policy


@dataclass
class Place:
    """A home with a project, in which preopen is started."""

    root: Path
    around: Surroundings

    def write(self, text: str) -> str:
        """Write the usual file, with its format, and return its path."""
        file = Path(self.around.config_dir) / "preopen.toml"
        file.write_text("preopen = 1\n" + text)
        return str(file)

    def policy(self, flags: Flags | None = None) -> Policy:
        """Load."""
        return load_policy(flags or Flags(), self.around)

    def faults(self, flags: Flags | None = None) -> list[str]:
        """Load what cannot be loaded."""
        with pytest.raises(PolicyError) as caught:
            self.policy(flags)
        return [str(fault) for fault in caught.value.faults]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    root = tmp_path.resolve()
    for name in ("home/app/src", "home/docs", "home/.config/preopen", "else"):
        (root / name).mkdir(parents=True)
    home = root / "home"
    return Place(
        root=root,
        around=Surroundings(
            cwd=str(home / "app"),
            home=str(home),
            config_dir=str(home / ".config/preopen"),
            state_dir=str(home / ".state/preopen"),
            cache_dir=str(home / ".cache/preopen"),
            environ={"LANG": "C", "HOME": str(home), "TOKEN": "x"},
        ),
    )


def test_without_a_file_every_default_is_the_tight_one(place: Place) -> None:
    """Design §6: every key has a safe default."""
    policy = place.policy()
    assert policy.workspace == place.around.cwd
    assert policy.max_level is PermissionLevel.EXECUTE
    assert (policy.tool_folders, policy.without, policy.folders) == ((), frozenset(), ())
    assert (policy.variables, policy.environment) == ({}, {})
    assert (policy.quotas.quotas, policy.flows) == ({}, ())
    assert (policy.ceilings, policy.cells) == (CEILINGS, DEFAULT_CELLS)
    assert policy.own_paths == (
        place.around.config_dir,
        place.around.state_dir,
        place.around.cache_dir,
    )
    assert set(policy.origins.values()) == {"default"}
    assert {"workspace", "max_level", "tools.folders", "limits.memory"} <= set(policy.origins)


def test_every_key_of_the_file_arrives_with_its_origin(place: Place) -> None:
    """Design §6: the operator's file."""
    (place.root / "home/.config/preopen/more").mkdir()
    file = place.write(
        """
        workspace = "~/app/src"
        max_level = "read-only"
        [tools]
        folders = ["more"]
        without = ["hash"]
        [folders]
        docs = "~/docs"
        out = { path = "../../docs", access = "write" }
        [variables]
        NAME = "value"
        [environment]
        names = ["LANG", "ABSENT"]
        [limits]
        memory = "128MiB"
        wall_time = "1m"
        cells = 4
        [cells.hash]
        calls_per_cell = 100
        [quota.fetch]
        calls_per_hour = 100
        bytes_out_per_day = "50MiB"
        [quota."*"]
        calls_per_day = 1000
        [[flow]]
        then = "deny"
        [[flow]]
        from = ["workspace", { tool = "read" }]
        to = ["network"]
        then = "ask"
        [wall]
        require = ["landlock"]
        """
    )
    policy = place.policy()
    home = place.around.home
    assert policy.workspace == f"{home}/app/src"
    assert policy.max_level is PermissionLevel.READ_ONLY
    assert policy.tool_folders == (f"{home}/.config/preopen/more",)
    assert policy.without == {"hash"}
    assert policy.folders == (
        NamedFolder(name="docs", host_path=f"{home}/docs"),
        NamedFolder(name="out", host_path=f"{home}/docs", access=Access.WRITE),
    )
    assert policy.variables == {"NAME": "value"}
    assert policy.environment_names == ("LANG", "ABSENT")
    assert policy.environment == {"LANG": "C"}
    assert policy.ceilings == {**CEILINGS, "memory": 128 << 20, "wall_time": 60_000}
    assert policy.cells == 4
    assert policy.calls_per_cell == {"hash": 100}
    assert policy.required_layers == {Layer.LANDLOCK}
    assert policy.quotas == QuotaPolicy(
        file=f"{home}/.state/preopen/quotas.sqlite",
        quotas={
            "fetch": Quota(calls_per_hour=100, bytes_out_per_day=50 << 20),
            "*": Quota(calls_per_day=1000),
        },
    )
    assert [(rule.key, rule.place, rule.then) for rule in policy.flows] == [
        ("flow[0]", file, "deny"),
        ("flow[1]", file, "ask"),
    ]
    assert policy.own_paths[-1] == file
    assert policy.home == home
    assert policy.origins["limits.output"] == "default"
    for key in ("workspace", "max_level", "tools.folders", "tools.without", "folders.docs",
                "variables.NAME", "environment.names", "limits.memory", "limits.cells",
                "cells.hash.calls_per_cell", "wall.require", "quota.fetch.calls_per_hour",
                "quota.*.calls_per_day", "flow[1]"):  # fmt: skip
        assert policy.origins[key] == file


def test_flags_override_the_file_and_say_so(place: Place) -> None:
    """Design §6: flags override it for one run."""
    file = place.write(
        """
        workspace = "~/gone"
        max_level = "none"
        [tools]
        without = ["hash"]
        [folders]
        docs = { path = "~/gone", access = "write" }
        [variables]
        NAME = "file"
        [wall]
        require = ["landlock"]
        """
    )
    flags = Flags(
        workspace="src",
        manifests=("../docs", "../docs"),
        variables={"NAME": "flag"},
        allow="execute",
        without=("fetch",),
        folders={"docs": "../docs"},
        require_wall=("seccomp", "landlock"),
    )
    policy = place.policy(flags)
    docs = f"{place.around.home}/docs"
    assert policy.workspace == f"{place.around.cwd}/src"
    assert policy.max_level is PermissionLevel.EXECUTE
    assert policy.tool_folders == (docs,)
    assert policy.without == {"hash", "fetch"}
    assert policy.folders == (NamedFolder(name="docs", host_path=docs, access=Access.READ),)
    assert policy.variables == {"NAME": "flag"}
    assert policy.origins["workspace"] == "--workspace"
    assert policy.origins["max_level"] == "--allow"
    assert policy.origins["tools.folders"] == "--manifests"
    assert policy.origins["tools.without"] == f"{file} and --without"
    assert policy.origins["folders.docs"] == "--folder"
    assert policy.origins["variables.NAME"] == "--var"
    assert policy.required_layers == {Layer.LANDLOCK, Layer.SECCOMP}
    assert policy.origins["wall.require"] == f"{file} and --require-wall"


def test_policy_flag_names_another_file_which_is_preopens_own(place: Place) -> None:
    """Design §5: no writable grant may reach a --policy file; nor the link that leads to it."""
    place.write("surprise = 1")
    real, link = place.root / "else/p.toml", place.root / "home/app/link.toml"
    real.write_text('preopen = 1\nworkspace = "."\n')
    link.symlink_to(real)
    policy = place.policy(Flags(policy_file="link.toml"))
    assert policy.own_paths[-2:] == (str(link), str(real))
    assert policy.workspace == place.around.cwd


def test_tools_folder_of_the_configuration_is_always_served(place: Place) -> None:
    """Design §6: folders stand beside <config>/tools."""
    tools = Path(place.around.config_dir) / "tools"
    tools.mkdir()
    assert place.policy(Flags(manifests=("../docs",))).tool_folders == (
        str(tools),
        f"{place.around.home}/docs",
    )


def test_links_are_resolved(place: Place) -> None:
    """Ours: a grant is compared by where it really lies."""
    (place.root / "home/link").symlink_to(place.root / "else")
    assert place.policy(Flags(workspace="~/link")).workspace == str(place.root / "else")


@pytest.mark.parametrize("folder", ["/", "~", "~/", "..", "../.."])
def test_root_home_and_what_holds_it_are_never_the_workspace(place: Place, folder: str) -> None:
    """Design §6: never "/" or the home folder itself; ours: nor a folder that holds it."""
    policy = place.policy(Flags(workspace=folder))
    assert policy.workspace is None
    assert policy.workspace_problem.startswith("--workspace: ")
    assert "write --workspace FOLDER" in policy.workspace_problem


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (Flags(workspace="gone"), "--workspace: "),
        (Flags(workspace=""), "--workspace: "),
        (Flags(workspace="a\0b"), "--workspace: "),
        (Flags(manifests=("gone",)), "--manifests: "),
        (Flags(folders={"docs": "gone"}), "--folder: "),
        (Flags(folders={"workspace": "src"}), "--folder: ${workspace} is built in"),
        (Flags(folders={"a b": "src"}), '--folder: "a b" is no name; write 1 to 64 letters'),
        (Flags(variables={"folders": "x"}), "--var: ${folders} is built in"),
        (Flags(variables={"X": "a\u202eb"}), '--var: "X" holds U+202E'),
        (
            Flags(variables={"docs": "x"}, folders={"docs": "src"}),
            "--var: ${docs} is also a named folder (--folder); write another name",
        ),
        (Flags(allow="all"), '--allow: "all" is no level; write one of none, read-only, write,'),
        (Flags(allow="forbidden"), '--allow: "forbidden" is no level'),
        (Flags(without=("a b",)), '--without: "a b" is no tool\'s name'),
        (Flags(policy_file="gone.toml"), "gone.toml: cannot be read: No such file"),
        (Flags(policy_file="/dev/null"), "/dev/null: not a regular file"),
    ],
)
def test_bad_flag_is_a_fault_that_names_it(place: Place, flags: Flags, expected: str) -> None:
    """Ours: place, thing found, what to write."""
    (fault,) = place.faults(flags)
    assert expected in fault


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("surprise = 1", "surprise: unknown key; known here: "),
        ('max_levle = "none"', 'max_levle: unknown key; did you mean "max_level"?'),
        ('[egress]\nhosts = ["a.example"]', 'egress.hosts[0]: "a.example" has no scheme'),
        ('[egress]\nhosts = ["https://*.com"]', "egress.hosts[0]: "),
        ('[egress]\nprivate = ["http://*.lan.example"]', 'egress.private[0]: "http://'),
        ('[egress]\nprivate = ["http://10.0.0.0/8"]', 'egress.private[0]: "http://'),
        ('[egress]\nprivate = ["http://localhost/api"]', 'egress.private[0]: "http://local'),
        ('[egress]\nca_file = "gone.pem"', "egress.ca_file: "),
        ('[egress]\nhost = ["https://a.example"]', "egress.host: unknown key"),
        ('[secrets]\nX = { keyring = "service" }', "secrets.X.keyring: "),
        ('[secrets]\nX = "hunter2hunter2"', "secrets.X: "),
        ('[secrets]\nX = { environment = "X", file = "y" }', "secrets.X"),
        ('max_level = "forbidden"', 'max_level: found "forbidden"; write one of'),
        ("workspace = 3", "workspace: found 3; write a string"),
        ('workspace = "gone"', "workspace: "),
        ('[tools]\nfolders = ["gone"]', "tools.folders[0]: "),
        ('[tools]\nwithout = ["a b"]', "tools.without: "),
        ('[folders]\ndocs = "gone"', "folders.docs: "),
        ('[folders]\ndocs = { path = ".", acces = "read" }', "folders.docs.acces: unknown key"),
        ('[folders]\nworkspace = "."', "folders.workspace: ${workspace} is built in"),
        ('[variables]\nworkspace = "."', "variables.workspace: ${workspace} is built in"),
        ('[folders]\nx = "."\n[variables]\nx = "1"', "variables.x: ${x} is also a named folder"),
        ('[environment]\nnames = ["a-b"]', 'environment.names[0]: "a-b" is no name'),
        ('[limits]\nmemory = "1MB"', "limits.memory: '1MB' is not understood"),
        ("[limits]\nrequest = 1", "limits.request: unknown key"),
        ("[limits]\nfuel = 0", "limits.fuel: 0 is out of range; write 1 to "),
        ("[limits]\ncells = 0", "limits.cells: found 0; write at least 1"),
        ("[cells.hash]\ncalls_per_cell = 0", "cells.hash.calls_per_cell: found 0; write at least"),
        (
            "[quota.fetch]\ncalls_per_hour = 0",
            "quota.fetch.calls_per_hour: found 0; write at least",
        ),
        ("[quota.fetch]\ncalls = 1", "quota.fetch.calls: unknown key"),
        ("[quota.fetch]\ncalls_per_hour = true", "quota.fetch.calls_per_hour: found true; write"),
        ('[quota.fetch]\nbytes_out_per_day = "1MB"', "quota.fetch.bytes_out_per_day: '1MB' is not"),
        ("[quota.fetch]", "quota.fetch: "),
        ('[quota."a b"]\ncalls_per_day = 1', 'quota: "a b" is no tool\'s name'),
        ("[[flow]]", "flow[0].then: missing"),
        ('[[flow]]\nthen = "allow"', 'flow[0].then: found "allow"; write one of "ask", "deny"'),
        ('[[flow]]\nthen = "ask"\nfrom = []', "flow[0].from: "),
        ('[[flow]]\nthen = "ask"\nfrom = ["network"]', "flow[0].from[0]: "),
        ('[[flow]]\nthen = "ask"\nfrom = [{ tool = "a b" }]', 'flow[0].from: "a b" is no tool'),
        ('[[flow]]\nthen = "ask"\nfrom = [{ tol = "a" }]', "flow[0].from[0]"),
        ('[[flow]]\nthen = "ask"\nto = ["workspace"]', "flow[0].to[0]: "),
        ('[[flow]]\nthen = "ask"\nwhen = "x"', "flow[0].when: unknown key"),
        ('[flow]\nthen = "ask"', "flow: "),
        ('[wall]\nrequire = ["landlok"]', "wall.require[0]: "),
        ('[wall]\nrequires = ["landlock"]', "wall.requires: unknown key"),
        ('[cells."a b"]\ncalls_per_cell = 1', 'cells: "a b" is no tool\'s name'),
        ("x y", "not TOML: "),
    ],
)
def test_bad_key_is_a_fault_that_names_it(place: Place, text: str, expected: str) -> None:
    """Design §6: unknown keys are errors."""
    file = place.write(text)
    (fault,) = place.faults()
    assert fault.startswith(f"{file}: {expected}")


def test_other_format_is_said_first_and_alone(place: Place) -> None:
    """Ours: keys of another format would only raise noise."""
    file = Path(place.write(""))
    for version in ("", "preopen = 2", "preopen = true"):
        file.write_text(version + "\n[surprise]\n")
        (fault,) = place.faults()
        assert 'write "preopen = 1"' in fault


def test_all_faults_come_at_once(place: Place) -> None:
    """Ours: an operator corrects a file once."""
    place.write('workspace = "gone"\n[limits]\nmemory = "1MB"\n')
    assert len(place.faults(Flags(allow="all", manifests=("gone",)))) == 4


def test_ceilings_are_written_like_limits() -> None:
    """Ours: both schemas name the same limits."""
    schema = json.loads(files("preopen.policy").joinpath("preopen.schema.json").read_text())
    assert set(schema["properties"]["limits"]["properties"]) == {*LIMIT_KEYS, "cells"}
    assert set(CEILINGS) == set(LIMIT_KEYS) - {"rate", "fuel"}  # off, so there is none by default
