"""What calls opened → smaller directories. Every lesson here is parsed as a manifest, too."""

from collections.abc import Callable
from typing import Any

import pytest

from preopen.capability import Access
from preopen.level import PermissionLevel
from preopen.trust.learning import Use
from trust.school import School, call, changes, listed, made, read, written

WORKSPACE = '[[directory]]\nhost = "${workspace}"\n'
WRITING = WORKSPACE + 'access = "write"\n'
DOCS = '[[directory]]\nhost = "${docs}"\n'
FOLDERS = '[[directory]]\nhost = "${folders}"\n'


def test_a_grant_that_nothing_opened_goes(school: School) -> None:
    """Issue: an unused grant is proposed for removal."""
    lesson = school.learn(WORKSPACE + DOCS, call(listed(school.workspace)))

    assert {"directory[1]": None} == changes(lesson)


def test_a_grant_in_which_an_argument_names_a_path_stays(school: School) -> None:
    """Ours, withheld: a program may have asked for no more than its status, which is unseen."""
    asks = WORKSPACE + 'narrow_to = "path"\n' + DOCS + 'narrow_to = "path"\n'
    lesson = school.learn(asks, call(listed(school.workspace), path=f"{school.docs}/in"))

    assert {} == changes(lesson)


@pytest.mark.parametrize("act", [written, made])
def test_a_write_grant_by_which_something_changed_stays(
    school: School, act: Callable[[str], Use]
) -> None:
    """Issue, withheld: read instead of write only when nothing was written."""
    use = act(f"{school.workspace}/a.txt")

    assert {} == changes(school.learn(WRITING, call(use, listed(school.workspace))))


def test_a_write_in_one_call_of_many_keeps_the_grant(school: School) -> None:
    """Issue: all calls count, not the last."""
    calls = [call(listed(school.workspace)), call(written(f"{school.workspace}/a"))]

    assert {} == changes(school.learn(WRITING, *calls))
    assert {"directory[0].access": "read"} == changes(school.learn(WRITING, calls[0]))


def test_opens_lead_to_the_folder_that_holds_them_all(school: School) -> None:
    """Issue: a sub-folder instead of the workspace."""
    uses = [read(f"{school.workspace}/src/deep/b.txt"), read(f"{school.workspace}/src/a.txt")]
    lesson = school.learn(WORKSPACE, call(*uses))
    kept = school.learn(WORKSPACE, call(*uses), moves_first=False)

    assert {"directory[0].host": "${workspace}/src"} == changes(lesson)
    assert {} == changes(kept)


def test_a_folder_that_a_call_made_needs_its_own_folder(school: School) -> None:
    """Ours: what does not exist yet cannot be granted."""
    lesson = school.learn(WRITING, call(made(f"{school.workspace}/out/new")))

    assert {"directory[0].host": "${workspace}/out"} == changes(lesson)


def test_a_folder_whose_name_reads_as_a_variable_is_not_written_down(school: School) -> None:
    """Ours: `${` in a path is expanded, so such a name would mean another folder."""
    lesson = school.learn(WORKSPACE, call(read(f"{school.workspace}/${{docs}}/a.txt")))

    assert {} == changes(lesson)


def test_named_folders_are_one_ask(school: School) -> None:
    """Docs: `${folders}` is each of them; a part of it cannot be written."""
    folders = {"docs": school.docs, "beside": str(school.top / "beside")}
    policy = school.policy(folders=folders)
    one = school.learn(
        WORKSPACE + FOLDERS,
        call(listed(school.workspace), read(f"{school.top}/beside/e.txt")),
        policy=policy,
    )
    none = school.learn(WORKSPACE + FOLDERS, call(listed(school.workspace)), policy=policy)

    assert {} == changes(one)
    assert {"directory[1]": None} == changes(none)


def test_named_folders_of_which_none_is_open_are_left_as_they_are(school: School) -> None:
    """Ours: nothing is known of an ask that opened nothing; nor does the level forget it."""
    asks = WORKSPACE + FOLDERS + 'access = "write"\n'
    policy = school.policy(folders={})
    lesson = school.learn(asks, call(listed(school.workspace)), policy=policy)

    assert {} == changes(lesson)
    assert PermissionLevel.WRITE is lesson.derived


def test_asks_are_matched_with_what_each_was_granted(school: School) -> None:
    """Ours: `${folders}` to write gets those that are open to write, and the next ask its own."""
    asks = FOLDERS + 'access = "write"\n' + DOCS + WORKSPACE
    policy = school.policy(access=Access.READ)
    lesson = school.learn(asks, call(listed(school.workspace)), policy=policy)

    assert {"directory[1]": None} == changes(lesson)


def test_of_two_grants_that_show_one_path_the_inner_one_is_enough(school: School) -> None:
    """Ours: the guest sees the same path either way, so the outer one is idle."""
    asks = DOCS + WORKSPACE + '[[directory]]\nhost = "${workspace}/src"\n'
    lesson = school.learn(asks, call(listed(school.docs), listed(f"{school.workspace}/src")))

    assert {"directory[1]": None} == changes(lesson)


def test_of_two_grants_that_show_two_paths_both_stay(school: School) -> None:
    """Ours, withheld: nobody can tell by which path the guest opened it."""
    asks = DOCS + WORKSPACE + '[[directory]]\nhost = "${workspace}/src"\nguest = "/src"\n'
    lesson = school.learn(asks, call(listed(school.docs), listed(f"{school.workspace}/src")))

    assert {"directory[1].host": "${workspace}/src"} == changes(lesson)


@pytest.mark.parametrize(
    ("arguments", "opened", "names"),
    [
        ({"path": "src/a.txt"}, "src/a.txt", "path"),
        ({"path": "./src/../src/a.txt"}, "src/a.txt", "path"),
        ({"path": "src"}, "src/deep/b.txt", "path"),
        ({"many": ["src/a.txt", "out"]}, "src/a.txt", "many"),
        ({"count": 1, "path": "src/deep"}, "src/a.txt", ""),
        ({"path": "src/a.txt", "other": "b"}, "src/a.txt", "path"),
        ({"other": "src/a.tx"}, "src/a.txt", ""),
        ({"many": ["src/a.txt", "../beside"]}, "src/a.txt", ""),
    ],
)
def test_an_argument_narrows_only_if_it_holds_all_that_was_opened(
    school: School, arguments: dict[str, Any], opened: str, names: str
) -> None:
    """Issue: `narrow_to` when every opened file is what an argument names."""
    use = read(f"{school.workspace}/{opened}")
    lesson = school.learn(WORKSPACE, call(use, **arguments), moves_first=False)

    assert ({"directory[0].narrow_to": names} if names else {}) == changes(lesson)


def test_an_argument_that_one_call_lacks_narrows_nothing(school: School) -> None:
    """Issue: every opened file, of every call."""
    use = read(f"{school.workspace}/src/a.txt")
    calls = [call(use, path="src/a.txt"), call(use)]

    assert {} == changes(school.learn(WORKSPACE, *calls, moves_first=False))
    assert {"directory[0].narrow_to": "path"} == changes(
        school.learn(WORKSPACE, calls[0], moves_first=False)
    )


def test_an_absolute_argument_narrows_by_the_guests_path_or_the_hosts(school: School) -> None:
    """Design §5: a path argument may be absolute as the guest sees it, or as the host does."""
    asks = WORKSPACE + 'guest = "/work"\n'
    use = read(f"{school.workspace}/src/a.txt")
    for path in ("/work/src/a.txt", f"{school.workspace}/src/a.txt"):
        lesson = school.learn(asks, call(use, path=path), moves_first=False)
        assert {"directory[0].narrow_to": "path"} == changes(lesson)


def test_a_file_that_is_written_beside_and_renamed_is_narrowed_to(school: School) -> None:
    """Design §5: narrowing a write opens the file's folder, so a name beside it is reached."""
    folder = f"{school.workspace}/src"
    uses = [made(f"{folder}/.tmp"), made(f"{folder}/a.txt"), written(f"{folder}/a.txt")]
    writing = school.learn(WRITING, call(*uses, path="src/a.txt"), moves_first=False)
    reads = [read(f"{folder}/a.txt"), read(f"{folder}/.tmp")]
    reading = school.learn(WORKSPACE, call(*reads, path="src/a.txt"), moves_first=False)

    assert {"directory[0].narrow_to": "path"} == changes(writing)
    assert {} == changes(reading)


def test_what_could_not_be_watched_takes_nothing_away(school: School) -> None:
    """Issue: an overflow is said; what was not seen may have been used."""
    lesson = school.learn(WRITING + DOCS, call(), blind=("the grants hold more folders",))

    assert {} == changes(lesson)
    assert any(note.startswith("the grants hold more") for note in lesson.findings.notes)


def test_a_failed_call_takes_nothing_away(school: School) -> None:
    """Ours: nor from the calls that ended well beside it."""
    calls = [call(listed(school.workspace)), call(said="no")]

    assert {} == changes(school.learn(WRITING + DOCS, *calls))


def test_the_declared_level_follows_what_is_left(school: School) -> None:
    """Issue: the level that the smaller manifest derives, and that may be declared."""
    lesson = school.learn(WRITING, call(listed(school.workspace)))

    assert PermissionLevel.READ_ONLY is lesson.derived
    assert 'level = "read-only"' in lesson.after
    assert lesson.only_takes


def test_a_call_that_named_nothing_is_not_said_to_have_named_all(school: School) -> None:
    """Ours: the reason says "in every call", so it holds for every call."""
    calls = [call(read(f"{school.workspace}/src/a.txt"), path="src/a.txt"), call()]

    assert {} == changes(school.learn(WORKSPACE, *calls, moves_first=False))


def test_a_write_is_never_laid_to_a_grant_to_read(school: School) -> None:
    """Ours: the guest could not have written by it, so it is idle."""
    out = '[[directory]]\nhost = "${workspace}/out"\nguest = "/out"\naccess = "write"\n'
    lesson = school.learn(WORKSPACE + out, call(written(f"{school.workspace}/out/a")))

    assert {"directory[0]": None} == changes(lesson)


def test_a_grant_that_each_call_narrows_is_small_already(school: School) -> None:
    """Ours: what the arguments of these calls name is no bound of what others will."""
    asks = WORKSPACE + 'narrow_to = "path"\n'
    lesson = school.learn(asks, call(read(f"{school.workspace}/src/a.txt"), path="src/a.txt"))

    assert {} == changes(lesson)


def test_a_part_of_a_named_folder_is_not_written_down(school: School) -> None:
    """Docs: `${folders}` stands alone; `${folders}/in` is refused."""
    use = read(f"{school.docs}/in/d.txt")

    assert {} == changes(school.learn(FOLDERS, call(use)))
    assert {"directory[0].host": "${docs}/in"} == changes(school.learn(DOCS, call(use)))


def test_an_argument_that_names_a_url_narrows_no_folder(school: School) -> None:
    """Ours: a manifest whose argument is both is refused at each call that gives a URL."""
    asks = '[[egress]]\nallow = "${egress}"\nnarrow_to = "url"\n' + WORKSPACE
    use = read(f"{school.workspace}/src/a.txt")
    lesson = school.learn(asks, call(use, url="src/a.txt"), moves_first=False, networked=True)

    assert {} == changes(lesson)
