"""Native code in a cell against its siblings, its zygote and its server: which layer stops what.

Cells of one zygote are one user's, in one user and one network namespace: neither stands between
them.
"""

from functools import cache
from typing import Any

import pytest

from preopen.sandbox.wall import Layer, Sockets
from sandbox.wall_lab import alone, each_alone, is_refusal, run, run_table, trial

N, S, U = Layer.NAMESPACES, Layer.SECCOMP, Layer.UNDUMPABLE
FILES, TCP, SCOPE = Layer.LANDLOCK, Layer.LANDLOCK_TCP, Layer.LANDLOCK_SCOPE

# What of them is taken → the layers each of which stops it alone.
OF_A_SIBLING: dict[str, set[Layer]] = {
    "memory": {FILES, U},
    "maps": {FILES, U},
    "environment": {FILES, U},
    "descriptors": {FILES, U},
    "open_file": {FILES, U},
    "copied_memory": {FILES, S, U},
    "tracing": {FILES, S, U},
    "taken_descriptor": {FILES, S, U},
    "signals": {SCOPE, S},
    "limits": {S},
    "scheduling": {S},
}
# The server may be dumped, as its user likes; it is in another user namespace instead, in which the
# numbers of its descriptors can be told, and nothing of them.
OF_THE_SERVER = {
    what: {N if layer is U else layer for layer in layers} for what, layers in OF_A_SIBLING.items()
} | {"descriptors": {FILES}}
STOPPED_BY: dict[str, set[Layer]] = {
    **{
        f"{what} of the {victim}": layers
        for victim in ("sibling", "spare", "zygote")
        for what, layers in OF_A_SIBLING.items()
    },
    **{f"{what} of the server": layers for what, layers in OF_THE_SERVER.items()},
    "connection_to_a_sibling": {TCP},
    "abstract_socket_of_a_sibling": {SCOPE, S},
}
ALONE = each_alone(STOPPED_BY)


@cache
def trials() -> dict[str, Any]:
    """Run the whole table once."""
    return run_table(STOPPED_BY)


@pytest.mark.parametrize("attempt", STOPPED_BY)
def test_the_whole_wall_stops_it(attempt: str) -> None:
    """Issue: no cell reads, signals or changes a sibling, the zygote or the server."""
    assert is_refusal(trials()[f"all {attempt}"]["outcome"])


@pytest.mark.parametrize("attempt", STOPPED_BY)
def test_without_the_layers_that_stop_it_it_is_done(attempt: str) -> None:
    """Ours: the control. All other layers are up and let it pass."""
    assert trials()[f"without {attempt}"]["outcome"] == "done"


@pytest.mark.parametrize(("attempt", "layer"), ALONE)
def test_the_layer_alone_stops_it(attempt: str, layer: Layer) -> None:
    """Issue: the receipt of a weaker wall still has what the other layers stop."""
    outcome = trials()[f"{layer} {attempt}"]["outcome"]
    assert layer.value in trials()["lacking"] or is_refusal(outcome)


def test_it_holds_for_root_too() -> None:
    """Design §3: root's cells have no capability either, so they are bound like anyone's."""
    results = run([trial(a) for a in STOPPED_BY], as_user=False)["results"]
    done = [a for a, r in zip(STOPPED_BY, results, strict=True) if not is_refusal(r["outcome"])]
    assert done == []


def test_a_cell_without_a_network_asks_no_sibling_for_anything() -> None:
    """Ours: with seccomp alone, for Landlock knows no TCP before its fourth ABI."""
    what = [trial("connection_to_a_sibling", missing=alone(S), sockets=Sockets.NONE)]
    assert run(what, as_user=True)["results"][0]["outcome"] == "EPERM"
