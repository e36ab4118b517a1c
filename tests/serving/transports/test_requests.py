from mcp_types import INVALID_REQUEST, JSONRPCRequest, RequestId

from preopen.serving.transports.requests import MAX_TAKEN_BYTES, TOO_MUCH, Requests


def asked(request_id: RequestId) -> JSONRPCRequest:
    return JSONRPCRequest(jsonrpc="2.0", id=request_id, method="m")


def test_an_id_is_taken_until_it_is_settled() -> None:
    """Ours: a second request under it is refused by that id; afterwards it is free."""
    requests = Requests()
    assert requests.take(asked(7), 10) is None
    for same in (7, "7"):
        refusal = requests.take(asked(same), 10)
        assert refusal is not None
        assert (refusal.id, refusal.error.code) == (same, INVALID_REQUEST)
    requests.settle("7")
    assert requests.take(asked(7), 10) is None


def test_as_many_bytes_are_taken_as_the_limit_says() -> None:
    """Issue: the server's memory stays bounded, however many large calls wait."""
    requests = Requests(max_bytes=100)
    assert requests.take(asked(1), 60) is None
    assert requests.take(asked(2), 40) is None
    refusal = requests.take(asked(3), 1)
    assert refusal is not None
    assert (refusal.id, refusal.error.code) == (3, TOO_MUCH)
    assert "of at most 100 at once" in refusal.error.message
    requests.settle(2)
    assert requests.take(asked(3), 1) is None


def test_one_request_is_taken_whatever_its_size() -> None:
    """Ours: else a line that framing lets through could never be asked."""
    requests = Requests(max_bytes=100)
    assert requests.take(asked(1), MAX_TAKEN_BYTES) is None


def test_settling_what_is_not_taken_frees_nothing() -> None:
    """Ours: a refused request is answered, too, and an error may be for null."""
    requests = Requests(max_bytes=100)
    assert requests.take(asked(1), 100) is None
    for unknown in (2, "one", None):
        requests.settle(unknown)
    assert requests.take(asked(3), 1) is not None
