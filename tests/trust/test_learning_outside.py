"""Paths outside of every grant that failed calls name: guesses, few, and marked as such."""

import shlex
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from preopen.capability import Access
from preopen.level import PermissionLevel
from preopen.trust.learning import Add
from trust.school import School, call, changes, listed, read

NARROWED = '[[directory]]\nhost = "${workspace}"\nnarrow_to = "path"\n'
WRITING = NARROWED + 'access = "write"\n'


def test_a_path_in_a_folder_that_is_open_already_needs_no_operator(school: School) -> None:
    """Ours: `${docs}` is open, so the manifest need only ask for it."""
    failed = call(said="no", outcome="Denied", path=f"{school.docs}/in/d.txt")
    lesson = school.learn(NARROWED, failed)

    assert {"directory[new]": {"host": "${docs}/in", "narrow_to": "path"}} == changes(lesson)
    assert () == lesson.findings.operator
    assert not lesson.only_takes


def test_a_path_to_write_asks_for_a_folder_that_is_open_to_write(school: School) -> None:
    """Ours: the new ask has the access of the one that the argument narrows."""
    place = school.top / "beside"
    failed = call(said="no", outcome="Denied", path=f"{place}/new.txt")
    lesson = school.learn(WRITING, failed)
    opened = school.policy(folders={"beside": str(place)}, access=Access.WRITE)

    assert "write" == changes(lesson)["directory[new]"]["access"]
    table = f'{{ path = "{place}", access = "write" }}'
    assert (f"write beside = {table} under [folders] in preopen.toml",) == lesson.findings.operator
    assert () == school.learn(WRITING, failed, policy=opened).findings.operator
    assert PermissionLevel.WRITE is lesson.derived


def test_an_argument_that_is_no_path_is_a_hint_only_where_the_call_failed(school: School) -> None:
    """Ours: a text that begins like a path may be anything."""
    path = f"{school.top}/beside/e.txt"
    failed = school.learn(NARROWED, call(said="no", other=path))
    well = school.learn(NARROWED, call(listed(school.workspace), other=path))

    assert {"directory[new]": {"host": "${beside}"}} == changes(failed)
    assert {} == changes(well)


def test_our_own_words_are_no_hint(school: School) -> None:
    """Ours: where no guest ran, the text is preopen's, and the paths in it are the machine's."""
    said = f"the compiler ended: {school.top}/beside"
    lost = school.learn(NARROWED, call(said=said, outcome="CellLost"))
    exited = school.learn(NARROWED, call(said=said, outcome="Exited"))

    assert {} == changes(lost)
    assert {"directory[new]": {"host": "${beside}"}} == changes(exited)


def test_the_root_and_what_is_not_there_are_no_guess(school: School) -> None:
    """Ours: a guess that would open everything, or nothing, helps nobody."""
    said = "/ and /nowhere/at/all, //, /\x1b[2J, https://a.example/etc and ./etc"

    assert {} == changes(school.learn(NARROWED, call(said=said, other="/", path="/new.txt")))


def test_guesses_are_few_however_much_a_guest_says(school: School) -> None:
    """Ours: a guest writes its error text as it likes."""
    for number in range(40):
        Path(school.top, "beside", str(number)).mkdir()
    said = " ".join(f"{school.top}/beside/{number}" for number in range(40)) * 50
    lesson = school.learn(NARROWED, call(said=said))

    assert 8 == sum(each.place == "directory[new]" for each in lesson.findings.changes)


def test_a_name_that_means_something_else_is_not_taken(school: School) -> None:
    """Ours: `${workspace}` is built in and `${docs}` is open; both keep their meaning."""
    for name in ("workspace", "docs"):
        place = school.top / "beside" / name
        place.mkdir()
        lesson = school.learn(NARROWED, call(said=f"cannot open {place}"))
        assert (f"start preopen with --folder {name}-2={place}",) == lesson.findings.operator


def test_two_folders_of_one_name_get_two(school: School) -> None:
    """Ours: `${in}` cannot be both; two files of one folder are one ask."""
    for place in ("docs/in", "beside/in"):
        Path(school.top, place).mkdir(exist_ok=True)
    files = [f"{school.top}/docs/in/d.txt", f"{school.top}/docs/in/e.txt"]
    failed = call(said="no", outcome="Denied", path=files[0])
    other = call(said=f"no {school.top}/beside/in and {files[1]}", outcome="Exited")
    Path(files[1]).write_text("e")
    lesson = school.learn(NARROWED, failed, other, policy=school.policy(folders={}))

    hosts = [each.values for each in lesson.findings.changes if isinstance(each, Add)]
    assert [{"host": "${in}"}, {"host": "${in-2}"}] == hosts
    assert 2 == len(lesson.findings.operator)


def test_a_line_to_paste_is_quoted(school: School) -> None:
    """Ours: whoever chooses a folder's name must not choose what a shell runs."""
    place = school.top / "a $(touch x) 'b"
    place.mkdir()
    failed = call(said="no", outcome="Denied", path=str(place))
    (line,) = school.learn(NARROWED, failed).findings.operator
    (writing,) = school.learn(WRITING, failed).findings.operator

    assert f"a-touch-x-b={place}" == shlex.split(line)[-1]
    assert f'"{place}"' in writing


@given(st.text(max_size=60), st.text(max_size=20))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_is_answered_by_a_manifest(school: School, said: str, path: str) -> None:
    """Ours: error texts and arguments are whatever a guest or a model wrote."""
    for text in (said, f"{school.top}/{said}", f"{school.workspace}/../{said}"):
        school.learn(WRITING, call(said=f"{text} {text}!", path=path, other=text))
        school.learn(WRITING, call(said=text or "no", outcome="Denied", path=f"/{path}"))


@given(st.lists(st.text(min_size=1, max_size=8), max_size=3), st.text(max_size=8))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_name_of_a_file_is_answered_by_a_manifest(
    school: School, names: list[str], path: str
) -> None:
    """Ours: names on a disk are bytes, and come as Python reads them."""
    below = "/".join(["src", *(name.replace("/", "-").replace("\0", "-") for name in names)])
    use = read(f"{school.workspace}/{below}/\udcff")

    assert school.learn(WRITING, call(use, path=path)).only_takes
