"""Processes, seen from the server: how they are started, counted, held to a deadline and killed."""
