"""Starts `native_probe.py` with a list of trials and reads what came of them."""

import errno
import json
import subprocess
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from preopen.sandbox import landlock
from preopen.sandbox.wall import Layer, Sockets

TESTS = Path(__file__).parents[1]


def trial(
    attempt: str,
    *,
    missing: Collection[Layer] = (),
    sockets: Sockets = Sockets.TCP,
    beside_a_thread: bool = False,
) -> dict[str, Any]:
    return {
        "attempt": attempt,
        "missing": list(missing),
        "sockets": sockets.value,
        "beside_a_thread": beside_a_thread,
    }


def run(trials: Sequence[dict[str, Any]], *, as_user: bool) -> dict[str, Any]:
    """Return `{"lacking": {layer: why}, "results": [{"outcome", "layers", "end"}]}`."""
    request = json.dumps({"as_user": as_user, "trials": trials})
    done = subprocess.run(
        [sys.executable, "-m", "sandbox.native_probe"],
        cwd=TESTS,
        input=request,
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def outcome_of(attempt: str, *, as_user: bool = True, **how: Any) -> Any:  # noqa: ANN401 - JSON
    """Return what came of one attempt, with every layer up unless `missing` says otherwise."""
    return run([trial(attempt, **how)], as_user=as_user)["results"][0]["outcome"]


def run_table(
    stopped_by: Mapping[str, set[Layer]], let_through: Iterable[str] = ()
) -> dict[str, Any]:
    """Return what came of a table, run at once: starting an interpreter for each takes minutes.

    Of each attempt: "all" with every layer up, "without" those that stop it, and with each of them
    alone. "lacking" is what this machine lacks.
    """
    plan = {
        **{f"all {a}": trial(a) for a in (*stopped_by, *let_through)},
        **{f"without {a}": trial(a, missing=layers) for a, layers in stopped_by.items()},
        **{f"{layer} {a}": trial(a, missing=alone(layer)) for a, layer in each_alone(stopped_by)},
    }
    answer = run(list(plan.values()), as_user=True)
    results = dict(zip(plan, answer["results"], strict=True))
    return {"lacking": answer["lacking"], **results}


def each_alone(stopped_by: Mapping[str, set[Layer]]) -> list[tuple[str, Layer]]:
    """Return each attempt beside each layer that stops it."""
    return [(a, layer) for a, layers in stopped_by.items() for layer in Layer if layer in layers]


def all_but(kept: Iterable[Layer]) -> list[Layer]:
    """Return what is `missing` when only these layers are to be up."""
    kept = set(kept)
    return [layer for layer in Layer if layer not in kept]


def alone(layer: Layer) -> list[Layer]:
    """Return what is missing beside `layer` and what it cannot do without."""
    needs = {Layer.NO_NEW_PRIVS, layer}
    return all_but(needs | {Layer.LANDLOCK} if layer in landlock.PARTS else needs)


def is_refusal(outcome: object) -> bool:
    """Tell a refused attempt from one that was done, and from a cell that was lost."""
    return outcome in {*errno.errorcode.values(), "no signal came"}
