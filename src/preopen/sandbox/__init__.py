"""Processes, seen from inside. The one room that knows wasmtime; it is started, not imported."""
