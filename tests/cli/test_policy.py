from cli.workshop import Workshop


def test_every_value_is_shown_with_where_it_came_from(workshop: Workshop) -> None:
    """Ours: default, the file's path, or the flag."""
    docs = workshop.workspace.parent / "docs"
    docs.mkdir()
    file = workshop.workspace.parent / "preopen.toml"
    file.write_text('preopen = 1\nmax_level = "execute"\n[limits]\nmemory = "2GiB"\n')
    rows = workshop.run_json(
        "policy", "--policy", str(file), "--folder", f"docs={docs}", "--var", "A=b"
    )
    found = {row["key"]: (row["value"], row["from"]) for row in rows}
    assert found["workspace"] == (str(workshop.workspace), "--workspace")
    assert found["max_level"] == ("execute", str(file))
    assert found["limits.memory"] == ("2GiB", str(file))
    assert found["limits.wall_time"] == ("5m", "default")
    assert found["folders.docs"] == (f"{docs} (read)", "--folder")
    assert found["variables.A"] == ("b", "--var")
    assert found["tools.folders"] == (str(workshop.tools), "--manifests")


def test_the_plain_table_says_the_same(workshop: Workshop) -> None:
    """Ours: plain and stable where no terminal reads."""
    lines = workshop.run("policy", "--allow", "read-only").stdout.splitlines()
    assert lines[0].split() == ["KEY", "VALUE", "FROM"]
    assert ["max_level", "read-only", "--allow"] in [line.split() for line in lines]


def test_quotas_and_flow_rules_are_shown_as_they_count(workshop: Workshop) -> None:
    """Issue: the effective policy, and where each value came from."""
    file = workshop.workspace.parent / "preopen.toml"
    quotas = '[quota.fetch]\ncalls_per_hour = 9\n[quota."*"]\nbytes_out_per_day = 2048\n'
    file.write_text(f'preopen = 1\n{quotas}[[flow]]\nto = ["network"]\nthen = "ask"\n')
    rows = workshop.run_json("policy", "--policy", str(file))
    found = {row["key"]: (row["value"], row["from"]) for row in rows}
    assert found["quota.fetch.calls_per_hour"] == ("9", str(file))
    assert found["quota.*.bytes_out_per_day"] == ("2KiB", str(file))
    rule = "from outside, secrets, environment to network: ask"
    assert found["flow[0]"] == (rule, str(file))
    rows = workshop.run_json("policy")
    found = {row["key"]: (row["value"], row["from"]) for row in rows}
    assert found["quota"] == found["flow"] == ("none", "default")
