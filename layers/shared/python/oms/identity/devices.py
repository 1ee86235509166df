"""Known devices: clients that have sent the account's password, or a token from a mail to its owner."""

from oms.core import clock
from oms.identity.models import Device, User, device_key
from oms.identity.opaque_tokens import DeviceToken, new_secret

DEVICE_SECONDS = 180 * 24 * 3600


def new_token(user: User) -> DeviceToken:
    """Returns a new random token. The device is known once the item that `device_of` returns for its hash is stored."""
    return DeviceToken(user.id, new_secret())


def device_of(user: User, secret_hash: str, *, epoch: int) -> Device:
    """Returns a new device item. The device is known while `epoch` equals its user's `devices_epoch`."""
    pk, sk = device_key(user.id, secret_hash)
    return Device(
        pk=pk,
        sk=sk,
        user_id=user.id,
        epoch=epoch,
        locks_epoch=user.locks_epoch,
        expires_at=int(clock.now().timestamp()) + DEVICE_SECONDS,
    )
