"""Asks a process of its own which layers of the wall this machine has."""

import json
import os
import subprocess
from collections.abc import Mapping
from typing import Final

from preopen.cells.start import ENVIRONMENT, PROBE, command_for
from preopen.errors import Fault, PlatformError
from preopen.layer import Layer

PROBE_SECONDS: Final = 20  # it takes 0.2; one that has not answered by then hangs
_SILENT: Final = "its trial said nothing of it"


def ask_layers(owner: str) -> Mapping[Layer, str]:
    """Return for each layer "" if cells of `owner` ("uid:gid", "" for us) have it, else why not.

    Raises:
        PlatformError: the process could not be started, or gave no answer: nothing is known.

    """
    try:
        done = subprocess.run(
            command_for(PROBE, str(os.getpid()), owner),
            env=ENVIRONMENT,
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            start_new_session=True,
            timeout=PROBE_SECONDS,
            check=True,
        )
        said = json.loads(done.stdout)
        return {layer: str(said.get(layer.value, _SILENT)) for layer in Layer}
    except subprocess.CalledProcessError as error:
        lines = error.stderr.decode(errors="replace").strip().splitlines()
        raise _unknown(lines[-1] if lines else f"exit code {error.returncode}") from error
    except subprocess.TimeoutExpired as error:
        raise _unknown(f"no answer within {PROBE_SECONDS}s") from error
    except (OSError, ValueError, AttributeError) as error:
        raise _unknown(str(error)) from error


def _unknown(why: str) -> PlatformError:
    return PlatformError(
        Fault(
            place="the wall",
            found=f"the process that tries its layers failed: {why[:300]}",
            write="reinstall preopen, if `preopen doctor` finds compiler and cell broken, too",
        )
    )
