"""Native code against the wall: what all layers stop together, and which of them stops it alone."""

from functools import cache
from typing import Any

import pytest

from preopen.sandbox.wall import Layer, Sockets
from sandbox.wall_lab import alone, each_alone, is_refusal, run, run_table, trial

N, C, S, U, R = (
    Layer.NAMESPACES,
    Layer.CAPABILITIES,
    Layer.SECCOMP,
    Layer.UNDUMPABLE,
    Layer.RLIMITS,
)
FILES, TRUNCATE = Layer.LANDLOCK, Layer.LANDLOCK_TRUNCATE
TCP, SCOPE = Layer.LANDLOCK_TCP, Layer.LANDLOCK_SCOPE

# Attempt → the layers each of which stops it alone, for native code of an ordinary user.
STOPPED_BY: dict[str, set[Layer]] = {
    "read_outside": {FILES},
    "list_outside": {FILES},
    "write_outside": {FILES},
    "write_what_is_granted_for_reading": {FILES},
    "create_where_reading_is_granted": {FILES},
    "read_its_sibling": {FILES},
    "list_its_folder": {FILES},
    "write_the_one_file_for_reading": {FILES},
    "make_a_fifo": {FILES},
    "cut_short_outside": {TRUNCATE},
    "tcp_to_the_server": {N, TCP},
    "fast_open_to_the_server": {N, S},
    "mptcp_to_the_server": {N, S},
    "udp_to_the_server": {N, S},
    "abstract_unix_socket": {N, SCOPE, S},
    "unix_socket_by_path": {S},
    "fork": {S},
    "signal_the_server": {SCOPE, S},
    "signal_the_server_as_a_thread": {SCOPE, S},
    "signal_the_server_by_a_file": {SCOPE, S},
    "open_the_servers_memory": {N, FILES},
    "set_the_servers_limits": {S},
    "slow_the_server": {S},
    "bind_the_server_to_a_core": {S},
    "outlive_the_server": {S},
    "be_read_by_its_parent": {U},
    "chmod_outside": {S},
    "chown_outside": {S},
    "set_an_attribute_outside": {S},
    "watch_names_outside": {S},
    "make_a_program_set_id": {S},
    "make_shared_memory": {S},
    "make_a_message_queue": {FILES, S},
    "make_a_user_namespace": {N, S},
    "ask_the_keyring": {S},
    "take_more_memory": {R},
    "write_a_larger_file": {R},
    "open_more_files": {R},
}
# Beside each: what the same walls let through.
LET_THROUGH = (
    "read_inside",
    "write_inside",
    "read_the_one_file",
    "write_the_one_file",
    "make_a_file_private",
    "tcp_socket",
    "start_a_thread",
    "set_its_own_limits",
    "take_the_memory_granted",
)
ALONE = each_alone(STOPPED_BY)


@cache
def trials() -> dict[str, Any]:
    """Run the whole table once."""
    return run_table(STOPPED_BY, LET_THROUGH)


def lacking(*layers: Layer) -> bool:
    return all(layer.value in trials()["lacking"] for layer in layers)


@pytest.mark.parametrize("attempt", STOPPED_BY)
def test_the_whole_wall_stops_it(attempt: str) -> None:
    """Design §3, "What each layer alone stops": with all layers up none of it gets through."""
    result = trials()[f"all {attempt}"]
    assert is_refusal(result["outcome"])
    assert set(result["layers"]) >= set(Layer) - {Layer.RLIMITS} - set(trials()["lacking"])


@pytest.mark.parametrize("attempt", STOPPED_BY)
def test_without_the_layers_that_stop_it_it_is_done(attempt: str) -> None:
    """Ours: the control. All other layers are up and let it pass."""
    assert trials()[f"without {attempt}"]["outcome"] == "done"


@pytest.mark.parametrize(("attempt", "layer"), ALONE)
def test_the_layer_alone_stops_it(attempt: str, layer: Layer) -> None:
    """Design §3, "What each layer alone stops": no second layer had to help."""
    outcome = trials()[f"{layer} {attempt}"]["outcome"]
    assert lacking(layer) or is_refusal(outcome)


@pytest.mark.parametrize("attempt", LET_THROUGH)
def test_the_whole_wall_lets_it_through(attempt: str) -> None:
    """Design §3: what was granted, and what a guest's host needs, works beside what is refused."""
    assert trials()[f"all {attempt}"]["outcome"] == "done"


def test_the_wall_holds_for_root_too() -> None:
    """Design §3: a server that runs as root has cells that are bound like anyone's."""
    names = [a for a in STOPPED_BY if a != "be_read_by_its_parent"]  # root may read any process
    results = run([trial(a) for a in names], as_user=False)["results"]
    assert [n for n, r in zip(names, results, strict=True) if not is_refusal(r["outcome"])] == []


def test_a_program_in_a_granted_folder_is_not_run() -> None:
    """Design §3: never EXECUTE; Landlock refuses it and seccomp refuses every execve."""
    missing = [[], alone(FILES), alone(S)]
    trials_made = [trial("run_a_program_inside", missing=each) for each in missing]
    results = run(trials_made, as_user=True)["results"]
    assert [r["outcome"] for r in results] == ["EPERM", "EACCES", "EPERM"]


def test_a_cell_without_a_network_makes_no_socket_at_all() -> None:
    """Brief: sockets are refused altogether unless a grant needs the network."""
    names = ("tcp_socket", "pair_of_sockets")
    results = run([trial(n, sockets=Sockets.NONE) for n in names], as_user=True)["results"]
    assert [r["outcome"] for r in results] == ["EPERM", "EPERM"]


def test_a_new_namespaces_capabilities_are_dropped() -> None:
    """Design §3: a new user namespace gives every capability back, so they are dropped after it."""
    names = [[], [C], [S]]
    results = run([trial("configure_the_loopback", missing=m) for m in names], as_user=True)
    outcomes = [r["outcome"] for r in results["results"]]
    assert outcomes == ["EPERM", "EPERM" if lacking(N) else "done", "EPERM"]


def test_a_loop_is_ended_by_the_signal_that_names_cpu_time() -> None:
    """Design §5, cpu_time: the soft limit ends it with SIGXCPU, which a parent can tell apart."""
    (result,) = run([trial("spin")], as_user=True)["results"]
    assert result["end"] == -24


def test_a_single_use_cell_cannot_raise_its_limits() -> None:
    """Ours: nothing is left above the hard limits for native code to take."""
    (result,) = run([trial("raise_its_own_limits")], as_user=True)["results"]
    assert "not allowed to raise" in result["outcome"]


def test_the_tie_to_the_parent_survives_every_layer() -> None:
    """Ours: a change of credentials may clear PR_SET_PDEATHSIG; these layers must not."""
    (result,) = run([trial("tell_what_is_up")], as_user=True)["results"]
    assert result["outcome"] == {"tied": 9, "no_new_privs": 1, "dumpable": 0}


def test_threads_beside_the_wall_are_refused() -> None:
    """Design §3, "Wall before threads": it would bind one of them."""
    (result,) = run([trial("read_inside", beside_a_thread=True)], as_user=True)["results"]
    assert result["outcome"].startswith("WallError")
    assert "another thread runs" in result["outcome"]


def test_where_unshare_is_refused_threads_are_counted() -> None:
    """Ours: a container's own seccomp rules refuse every unshare, with one thread or with two."""
    names = ("count_threads_again", "count_threads_beside_one")
    results = run([trial(n, missing=[FILES]) for n in names], as_user=True)["results"]
    assert [r["outcome"] for r in results] == ["done", "EINVAL"]


def test_layers_that_are_missing_are_not_told_as_up() -> None:
    """Design §7: a receipt's `walls` names what was up, never the wish."""
    missing = [Layer.NAMESPACES, Layer.LANDLOCK_TCP, Layer.UNDUMPABLE]
    (result,) = run([trial("take_the_memory_granted", missing=missing)], as_user=True)["results"]
    up = set(Layer) - set(missing) - set(trials()["lacking"])
    assert set(result["layers"]) == {layer.value for layer in up}
