from cli.workshop import Workshop


def test_an_offered_tool_is_explained_from_what_its_calls_are_held_to(
    workshop: Workshop,
) -> None:
    """Ours: level with its reasons, grants, narrowing, limits with their source, file, sha256."""
    result = workshop.run("explain", "peek")
    assert result.exit_code == 0
    said = result.stdout
    assert f"read-only  reads below {workshop.workspace}" in said
    assert f'read {workshop.workspace} (only what "path" names)' in said
    assert 'a call that names a path in "path" gets that one file' in said
    assert "a fresh walled process for every call, open only for what that call names" in said
    assert "reach the network" in said
    assert "write, create or remove any file" in said
    assert f"manifest  {workshop.tools}/peek.toml" in said


def test_a_limit_is_explained_with_where_it_came_from(workshop: Workshop) -> None:
    """Ours: the default and the manifest's own word are told apart."""
    limits = {row["key"]: row for row in workshop.run_json("explain", "spin")["limits"]}
    assert limits["memory"] == {"key": "memory", "value": "32MiB", "from": "manifest"}
    assert limits["output"] == {"key": "output", "value": "1MiB", "from": "default"}
    assert limits["cpu_time"]["value"] == "2s"
    assert limits["wall_time"]["value"] == "300ms"
    assert limits["fuel"] == {"key": "fuel", "value": "not counted", "from": "default"}


def test_a_tool_without_a_grant_is_explained_by_what_it_cannot_do(workshop: Workshop) -> None:
    """Ours: no grant is no omission of the page."""
    explained = workshop.run_json("explain", "spin")
    assert explained["grants"] == []
    assert "read or write any file" in explained["cannot"]
    assert "nothing but compute on its arguments" in workshop.run("explain", "spin").stdout


def test_a_writing_tool_is_explained_as_one(workshop: Workshop) -> None:
    """Ours: what it may do is not among what it cannot."""
    explained = workshop.run_json("explain", "scrawl")
    assert explained["level"] == "write"
    assert not any(line.startswith("write,") for line in explained["cannot"])
    assert "nearest folder that exists" in explained["narrowed"][0]


def test_a_tool_bound_cell_is_explained_with_who_said_so(workshop: Workshop) -> None:
    """Design §3: nothing becomes tool-bound by being hot; the operator's file says it."""
    file = workshop.workspace.parent / "preopen.toml"
    file.write_text("preopen = 1\n[cells.spin]\ncalls_per_cell = 9\n")
    said = workshop.run("explain", "spin", "--policy", str(file)).stdout
    assert f"for up to 9 calls ({file})" in said


def test_a_refused_tool_is_explained_by_why_and_the_way_out(workshop: Workshop) -> None:
    """Ours: exit code 3, and the reason on stdout, which was asked for."""
    result = workshop.run("explain", "runs")
    assert result.exit_code == 3
    assert "runs is not offered:" in result.stdout
    assert "--allow execute" in result.stdout
    explained = workshop.run_json("explain", "runs")
    assert explained["offered"] is False
    assert explained["faults"][0]["key"] == "tool.level"


def test_an_unknown_tool_is_a_usage_error_with_close_names(workshop: Workshop) -> None:
    """Ours: exit code 2."""
    result = workshop.run("explain", "peak")
    assert result.exit_code == 2
    assert "did you mean peek?" in result.stderr


def test_a_tool_that_was_left_out_is_called_so(workshop: Workshop) -> None:
    """Ours: --without is not the same as unknown."""
    result = workshop.run("explain", "peek", "--without", "peek")
    assert result.exit_code == 2
    assert "peek is left out by --without" in result.stderr
