"""Landlock's access sets, and what is left of them on older kernels."""

import pytest

from preopen.capability import Access
from preopen.layer import Layer
from preopen.sandbox.landlock import PARTS, Rights, handled_rights, missing_parts, rights_for

NEVER = (
    Rights.EXECUTE
    | Rights.IOCTL_DEV
    | Rights.MAKE_CHAR
    | Rights.MAKE_BLOCK
    | Rights.MAKE_SOCK
    | Rights.MAKE_FIFO
)


def test_reading_is_two_rights() -> None:
    """Design §3, "Access sets of Landlock"."""
    assert rights_for(Access.READ, is_file=False) == Rights.READ_FILE | Rights.READ_DIR


@pytest.mark.parametrize("access", Access)
def test_no_access_executes_or_makes_devices(access: Access) -> None:
    """Design §3: never EXECUTE, IOCTL_DEV or MAKE_ of a device, socket or fifo."""
    assert not rights_for(access, is_file=False) & NEVER


def test_reading_and_writing_share_out_every_other_right() -> None:
    """Design §3: what is not refused for ever is what writing needs."""
    assert rights_for(Access.WRITE, is_file=False) == Rights((1 << 16) - 1) & ~NEVER


def test_on_one_file_only_rights_of_a_file_remain() -> None:
    """Linux: a right that only folders have is EINVAL in a rule on a file."""
    assert rights_for(Access.READ, is_file=True) == Rights.READ_FILE
    expected = Rights.READ_FILE | Rights.WRITE_FILE | Rights.TRUNCATE
    assert rights_for(Access.WRITE, is_file=True) == expected


@pytest.mark.parametrize(
    ("abi", "parts", "highest"),
    [
        (1, set(PARTS), Rights.MAKE_SYM),
        (2, set(PARTS), Rights.REFER),
        (3, set(PARTS) - {Layer.LANDLOCK_TRUNCATE}, Rights.TRUNCATE),
        (4, {Layer.LANDLOCK_DEVICES, Layer.LANDLOCK_SCOPE}, Rights.TRUNCATE),
        (5, {Layer.LANDLOCK_SCOPE}, Rights.IOCTL_DEV),
        (6, set(), Rights.IOCTL_DEV),
        (7, set(), Rights.IOCTL_DEV),
    ],
)
def test_each_abi_handles_all_that_it_knows_and_names_the_rest(
    abi: int, parts: set[Layer], highest: Rights
) -> None:
    """Linux: a right that the kernel doesn't know is EINVAL; design §3: what it lacks is named."""
    missing = missing_parts(abi)
    assert set(missing) == parts
    assert all(f"ABI {abi}" in why for why in missing.values())
    assert handled_rights(abi, missing) == Rights(highest * 2 - 1)
