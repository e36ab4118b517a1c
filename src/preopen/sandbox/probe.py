"""Says which layers of the wall this machine lacks, as JSON, without starting anything else."""

import json
import sys

from preopen.sandbox.wall import probe_layers


def main(_arguments: list[str]) -> None:
    """Print an object: each layer, and "" or why it is missing."""
    json.dump({layer.value: why for layer, why in probe_layers().items()}, sys.stdout)
