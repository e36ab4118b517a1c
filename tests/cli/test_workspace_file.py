"""A workspace's own preopen.toml, as the verbs apply it and tell of it."""

from cli.workshop import Workshop

WIDENS = "a workspace's file can only narrow. To open it, write it into "


def write(workshop: Workshop, text: str) -> str:
    """Write the workspace's file, and return its path."""
    file = workshop.workspace / "preopen.toml"
    file.write_text("preopen = 1\n" + text)
    return str(file)


def test_policy_shows_every_decision_with_the_file_that_makes_it(workshop: Workshop) -> None:
    """Issue: `preopen policy` prints the effective policy and where each value came from."""
    mine = workshop.workspace.parent / "preopen.toml"
    mine.write_text('preopen = 1\n[decide]\nexecute = "ask"\n[[flow]]\nthen = "ask"\n')
    theirs = write(
        workshop,
        'max_level = "write"\n[decide]\nexecute = "deny"\nnone = "allow"\n'
        '[decide.tools]\npeek = "ask"\n[tools]\nwithout = ["spin"]\n'
        '[[flow]]\nto = ["network"]\nthen = "deny"\n',
    )
    rows = workshop.run_json("policy", "--policy", str(mine), "--without", "hash")
    found = {(row["key"], row["value"], row["from"]) for row in rows}

    assert {
        ("max_level", "write", theirs),
        ("decide.execute", "ask", str(mine)),
        ("decide.execute", "deny", theirs),
        ("decide.tools.peek", "ask", theirs),
        ("flow[0]", "from outside, secrets, environment to network, outside: ask", str(mine)),
        ("flow[0]", "from outside, secrets, environment to network: deny", theirs),
        ("tools.without", "hash, spin", f"--without and {theirs}"),
    } <= found
    assert {("allow", "default")} == {
        (value, origin) for key, value, origin in found if key == "decide.none"
    }
    assert "ignored" not in {row["key"] for row in rows}


def test_policy_says_all_that_does_not_count(workshop: Workshop) -> None:
    """Issue: said when it tries more."""
    theirs = write(workshop, "".join(f'[secrets.s{n}]\nfile = "x"\n' for n in range(12)))
    result = workshop.run("policy")
    rows = workshop.run_json("policy")
    said = [row for row in rows if row["key"] == "ignored"]

    assert 12 == result.stdout.count(WIDENS)
    assert f"\nDoes not count:\n  {theirs}: secrets.s0: " in result.stdout
    assert [f"{theirs}: secrets.s{n}: " for n in range(12)] == [
        row["value"].partition("where")[0] for row in said
    ]
    assert {theirs} == {row["from"] for row in said}


def test_denied_host_is_told_with_the_file_that_closed_it(workshop: Workshop) -> None:
    """Issue: the operator's line would not help where the workspace's own file is in the way."""
    theirs = write(workshop, "[egress]\nhosts = []\n")
    opened = ("--egress", "https://closed.example")
    closed = workshop.run("call", "fetch", "url=https://closed.example/", *opened)
    never = workshop.run("call", "fetch", "url=https://never.example/", *opened)

    assert f'add "https://closed.example" to hosts under [egress] in {theirs}' in closed.output
    assert "--egress" not in closed.output
    assert "start preopen with --egress https://never.example" in never.output


def test_check_covers_the_workspace_s_file(workshop: Workshop) -> None:
    """Design §6: `preopen check` covers preopen.toml; what does not count is no fault."""
    manifest = str(workshop.tools / "peek.toml")
    theirs = write(workshop, 'max_level = "dangerous"\n')
    checked = workshop.run_json("check", manifest)

    assert checked["ok"]
    assert [theirs, manifest] == checked["checked"]
    assert [f'{theirs}: max_level: "dangerous" is above the "write" that you allow'] == [
        line.partition(";")[0] for line in checked["warnings"] if "sock_accept" not in line
    ]
    assert f"warning: {theirs}: max_level: " in workshop.run("check", manifest).stderr


def test_check_names_a_damaged_file_of_the_workspace_s(workshop: Workshop) -> None:
    """Ours: fail closed, with the file and the key."""
    theirs = write(workshop, 'max_levle = "none"\n')
    result = workshop.run("check", str(workshop.tools / "peek.toml"))

    assert 3 == result.exit_code
    assert f'{theirs}: max_levle: unknown key; did you mean "max_level"?' in result.stderr


def test_serve_says_the_first_ten_at_its_start(workshop: Workshop) -> None:
    """Issue: said when it tries more; ours: on stderr, and a stranger's file fills no log."""
    theirs = write(workshop, "".join(f'[secrets.s{n}]\nfile = "x"\n' for n in range(12)))
    done = workshop.spawn("serve")

    assert 0 == done.returncode
    assert 10 == done.stderr.count(WIDENS)
    assert f"preopen: {theirs}: secrets.s9: " in done.stderr
    assert f"preopen: {theirs}: 2 more of its values do not count" in done.stderr


def test_serve_serves_nothing_under_a_damaged_file(workshop: Workshop) -> None:
    """Ours: fail closed."""
    theirs = write(workshop, "surprise = 1\n")
    done = workshop.spawn("serve")

    assert (3, "") == (done.returncode, done.stdout)
    assert f"{theirs}: surprise: unknown key" in done.stderr


def test_a_call_is_held_to_the_workspace_s_file(workshop: Workshop) -> None:
    """Issue: it narrows what the user's file allows, for every verb alike."""
    before = workshop.run("call", "peek", "path=a.txt")
    theirs = write(workshop, '[decide.tools]\npeek = "deny"\n')
    after = workshop.run("call", "peek", "path=a.txt")

    assert 0 == before.exit_code
    assert 0 != after.exit_code
    assert f'{theirs} says decide.tools.peek = "deny"' in after.stderr
    assert f"under [decide.tools] of {theirs} " in after.stderr


def test_explain_says_what_happens_at_a_call(workshop: Workshop) -> None:
    """Issue: decisions by level and tool; ours: beside the level that they follow from."""
    runs = workshop.run("explain", "spin").stdout
    theirs = write(workshop, '[decide]\nread-only = "ask"\n')
    asked = workshop.run("explain", "peek").stdout

    assert (
        "\nWHAT HAPPENS AT A CALL\n  runs without a question: its level is none, and the default"
        ' says decide.none = "allow"\n'
    ) in runs
    assert (
        "\nWHAT HAPPENS AT A CALL\n  a person is asked: its level is read-only, and"
        f' {theirs} says decide.read-only = "ask"\n  `preopen decide` shows'
    ) in asked
    assert [
        {
            "decision": "ask",
            "why": "its level is read-only",
            "key": "decide.read-only",
            "from": theirs,
        }
    ] == workshop.run_json("explain", "peek")["decisions"]


def test_explain_says_what_happens_when_a_call_writes_outside(workshop: Workshop) -> None:
    """Issue: ask for writing in a named folder, which not every call does."""
    docs, mine = workshop.workspace.parent / "docs", workshop.workspace.parent / "preopen.toml"
    docs.mkdir()
    mine.write_text(f'preopen = 1\n[folders]\ndocs = {{ path = "{docs}", access = "write" }}\n')
    both = "".join(
        f'[[directory]]\nhost = "${{{name}}}"\naccess = "write"\n' for name in ("workspace", "docs")
    )
    workshop.add("both", "write", f'[run]\nargs = ["exit", "0"]\n{both}')
    first, second = workshop.run_json("explain", "both", "--policy", str(mine))["decisions"]

    assert ("allow", "decide.write", "default") == (first["decision"], first["key"], first["from"])
    assert ("ask", "decide.write-in-folders") == (second["decision"], second["key"])
    assert f"it writes in {docs}, outside of the workspace" == second["why"]
