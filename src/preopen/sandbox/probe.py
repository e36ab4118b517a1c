"""Says which layers of the wall this machine lacks, as JSON, without starting anything else."""

import json
import sys

from preopen.sandbox.process import become, end_with_parent
from preopen.sandbox.wall import probe_layers


def main(arguments: list[str]) -> None:
    """Print an object: each layer, and "" or why it is missing, to who the cells would be.

    `arguments` are the server's pid and `uid:gid`, or "".
    """
    end_with_parent(int(arguments[0]))
    become(arguments[1])
    json.dump({layer.value: why for layer, why in probe_layers().items()}, sys.stdout)
