"""The passwords that protect a job's services, derived from the job's secret.

The API shows them to those who may know them and the batch script hands them to the application; neither stores them.
"""

import base64
import hashlib
import hmac

PASSWORD_LENGTH = 16
"""Letters and digits of base 32, five bits each: 80 bits.  Where a protocol cuts passwords to eight characters (VNC),
40 bits are left."""


def access_password(secret: bytes) -> str:
    """Derive the password that opens the job's services: lower-case letters and the digits 2 to 7, no quoting needed.

    HMAC-SHA256, so that whoever learns the password learns nothing of the secret that signs keyhole requests.
    """
    return _derived(secret, b"access")


def view_password(secret: bytes) -> str:
    """Derive the password that lets its holder see, and do nothing; who knows it learns nothing of the other."""
    return _derived(secret, b"view")


def _derived(secret: bytes, purpose: bytes) -> str:
    mac = hmac.new(secret, purpose, hashlib.sha256).digest()
    return base64.b32encode(mac).decode("ascii").lower()[:PASSWORD_LENGTH]
