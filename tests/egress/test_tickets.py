"""Tickets and the record, by themselves: a clock of the test's own, and no socket."""

from ipaddress import ip_address

from preopen.egress.record import Record
from preopen.egress.rule import Target
from preopen.egress.tickets import Approved, Tickets
from preopen.outcome import Denial, Request


class Clock:
    """Time that passes when the test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Return it, in seconds."""
        return self.now


def approved(entry: int) -> Approved:
    """Return a request that passed both gates."""
    target = Target(method="GET", scheme="https", host="a.example", port=443)
    return Approved(target=target, addresses=(ip_address("192.0.2.1"),), login=None, entry=entry)


def test_a_ticket_stands_for_its_request_once() -> None:
    """Design §9.3: one-time."""
    tickets = Tickets(lifetime_s=30, clock=Clock())
    first, second = tickets.issue(approved(1)), tickets.issue(approved(2))

    assert first != second
    assert (approved(2), approved(1)) == (tickets.redeem(second), tickets.redeem(first))
    assert (None, None, 0) == (tickets.redeem(first), tickets.redeem("/"), len(tickets))


def test_a_ticket_is_good_until_it_expires() -> None:
    """Design §9.3: expiring. The moment of its end is the first at which it is worth nothing."""
    clock = Clock()
    tickets = Tickets(lifetime_s=30, clock=clock)
    early, late = tickets.issue(approved(1)), tickets.issue(approved(2))
    clock.now += 29.9
    young = tickets.issue(approved(3))
    assert tickets.redeem(early) == approved(1)
    clock.now += 0.1

    assert tickets.redeem(late) is None
    assert (approved(2),) == tickets.expired()
    assert () == tickets.expired()
    assert tickets.redeem(young) == approved(3)


def test_what_nobody_redeemed_is_told_at_the_end() -> None:
    """Ours: every ask is in the receipt, also one that was never sent."""
    tickets = Tickets(lifetime_s=30, clock=Clock())
    path = tickets.issue(approved(1))

    assert (approved(1),) == tickets.clear()
    assert (None, ()) == (tickets.redeem(path), tickets.clear())


def test_a_request_is_replaced_where_it_stands_and_beyond_the_cap_only_counted() -> None:
    """Ours: the receipt is in the order of the asks, and bounded."""
    record = Record(max_requests=2, max_denials=1)
    asked = Request(method="GET", scheme="https", host="a.example", port=443, result="asked")
    entries = [record.add(asked) for _ in range(4)]
    for entry in entries:
        record.replace(
            entry,
            Request(method="GET", scheme="https", host="a.example", port=443, result=str(entry)),
        )

    assert ([0, 1, 2, 3], ["0", "1"], 2) == (
        entries,
        [request.result for request in record.requests],
        record.more_requests,
    )


def test_a_denial_is_told_once() -> None:
    """Ours: a guest that tries again and again fills no receipt."""
    record = Record(max_requests=1, max_denials=2)
    for target in ("a", "a", "b", "a", "c"):
        record.deny(Denial(target=target, reason="no"))

    assert (["a", "b"], 1) == ([denial.target for denial in record.denials], record.more_denials)
