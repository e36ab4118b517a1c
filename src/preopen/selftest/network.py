"""Rows of the section *network*: sending what no rule allows, to whom nobody may be led."""

from typing import Final

from preopen.selftest import (
    network_addresses,
    network_bodies,
    network_forms,
    network_sockets,
    network_tickets,
)

ROWS: Final = (
    *network_addresses.ROWS,
    *network_forms.ROWS,
    *network_bodies.ROWS,
    *network_tickets.ROWS,
    *network_sockets.ROWS,
)
