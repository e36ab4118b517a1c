"""Processes, seen from inside. The only room that knows wasmtime; nobody imports it, it is started."""
