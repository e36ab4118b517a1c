from cli.workshop import Workshop


def test_good_manifests_are_named_one_by_one(workshop: Workshop) -> None:
    """Ours: a check says what it checked."""
    files = [str(workshop.tools / "peek.toml"), str(workshop.tools / "spin.toml")]
    result = workshop.run("check", *files)
    assert result.exit_code == 0
    assert [f"ok  {file}" for file in files] == result.stdout.splitlines()[:2]
    assert result.stdout.endswith("2 files checked; binaries match, compile and fit\n")


def test_every_fault_is_said_with_file_key_and_what_to_write(workshop: Workshop) -> None:
    """Ours: exit code 3; all files, not only the first bad one."""
    one, two = workshop.tools / "peek.toml", workshop.tools / "spin.toml"
    one.write_text(one.read_text().replace("narrow_to", "narow_to"))
    two.write_text(two.read_text().replace('"300ms"', '"300"'))
    result = workshop.run("check", str(one), str(two))
    assert result.exit_code == 3
    assert f'{one}: directory[0].narow_to: unknown key; did you mean "narrow_to"?' in result.stderr
    assert f"{two}: limits.wall_time: " in result.stderr
    assert result.stdout == ""


def test_without_arguments_all_that_the_policy_serves_is_checked(workshop: Workshop) -> None:
    """Ours: a refusal by the policy is a fault, too."""
    checked = workshop.run_json("check")
    assert str(workshop.tools / "peek.toml") in checked["checked"]
    assert not checked["ok"]
    assert f"{workshop.tools}/runs.toml" in {fault["place"] for fault in checked["faults"]}


def test_a_tool_that_was_left_out_is_no_fault(workshop: Workshop) -> None:
    """Ours: --without is the operator's answer to a refusal."""
    file = str(workshop.tools / "runs.toml")
    result = workshop.run("check", file, "--without", "runs")
    assert result.exit_code == 0
    assert "not checked, left out by --without: runs" in result.stderr


def test_the_operators_file_is_checked_along(workshop: Workshop) -> None:
    """Design §6: `preopen check` covers preopen.toml."""
    file = workshop.workspace.parent / "preopen.toml"
    file.write_text("preopen = 1\n[tools]\nwithout = ['runs']\n")
    manifest = str(workshop.tools / "peek.toml")
    checked = workshop.run_json("check", manifest, "--policy", str(file))
    assert checked["ok"]
    assert checked["checked"] == [str(file), manifest]
    file.write_text("preopen = 1\nwithout = 1\n")
    checked = workshop.run_json("check", manifest, "--policy", str(file))
    assert not checked["ok"]
    assert checked["faults"][0]["place"] == str(file)


def test_a_binary_with_another_sha256_is_a_fault(workshop: Workshop) -> None:
    """Design §5: the sha256 is checked before every compile."""
    file = workshop.tools / "peek.toml"
    file.write_text(file.read_text().replace('sha256 = "', 'sha256 = "00')[:-1])
    text = file.read_text()
    at = text.index('sha256 = "') + len('sha256 = "')
    file.write_text(text[:at] + "0" * 64 + text[text.index('"', at) :])
    result = workshop.run("check", str(file))
    assert result.exit_code == 3
    assert "binary.sha256" in result.stderr


def test_a_binary_that_only_a_compiler_finds_bad_is_a_fault(workshop: Workshop) -> None:
    """Ours: the binary is really compiled; its headers alone look good."""
    good = '(module (memory (export "memory") 1) (func (export "_start") i32.const 0 drop))'
    file = workshop.add_wat("bent", "", good)
    binary = workshop.tools / "bent.wasm"
    bent = binary.read_bytes().replace(b"\x41\x00\x1a\x0b", b"\x41\x00\x01\x0b")  # drop -> nop
    assert bent != binary.read_bytes()
    binary.write_bytes(bent)
    workshop.add("bent", "none", "", binary)
    result = workshop.run("check", str(file))
    assert result.exit_code == 3
    assert f"{binary}: wasmtime cannot compile it" in result.stderr


def test_a_folder_stands_for_its_manifests(workshop: Workshop) -> None:
    """Ours: an author checks the folder that he works in."""
    checked = workshop.run_json("check", str(workshop.tools), "--allow", "execute")
    assert checked["ok"], checked["faults"]
    assert {f"{workshop.tools}/runs.toml", f"{workshop.tools}/peek.toml"} <= {*checked["checked"]}
    empty = workshop.run("check", str(workshop.workspace))
    assert (empty.exit_code, empty.stdout) == (2, "")


def test_a_refusal_that_a_server_remembers_is_said_until_it_is_tried_again(
    workshop: Workshop,
) -> None:
    """Issue: a crash of the compiler is remembered; `preopen check` says it, and is the way out."""
    good = '(module (memory (export "memory") 1) (func (export "_start") i32.const 7 drop))'
    file = workshop.add_wat("torn", "", good)
    binary = workshop.tools / "torn.wasm"
    binary.write_bytes(binary.read_bytes().replace(b"\x41\x07\x1a\x0b", b"\x41\x07\x01\x0b"))
    workshop.add("torn", "none", "", binary)
    before = workshop.run("check", str(file)).stderr
    workshop.run("call", "torn")
    remembered = workshop.run("check", str(file))
    again = workshop.run("check", str(file), "--retry").stderr
    afterwards = workshop.run("check", str(file)).stderr

    assert remembered.exit_code == 3
    assert f"{binary}: wasmtime cannot compile it" in remembered.stderr
    assert "remembered from the first try" in remembered.stderr
    assert "preopen check --retry" in remembered.stderr
    for compiled in (before, again, afterwards):
        assert f"{binary}: wasmtime cannot compile it" in compiled
        assert "remembered" not in compiled
