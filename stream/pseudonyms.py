"""Keyed hashes that stand for user ids in state, outputs and logs."""

from hashlib import blake2b

from msgspec import Struct

from stream.errors import WrongUse

SHORTEST = 16
DIGEST = 16


class UserIdKey(Struct, frozen=True):
    """The secret behind pseudonyms. What is stored and shown of it is `check` alone.

    Parameters
    ----------
    check
        A keyed digest of a constant: another secret has another one.
    key
        Made of the secret; empty where only the check is known, as in a state folder.

    Examples
    --------
    >>> key = UserIdKey.of("correct horse battery staple")
    >>> key.pseudonym("u00137")
    '7f4bea35c2696141d81541e59aec8612'
    """

    check: str
    key: bytes = b""

    @classmethod
    def of(cls, secret: str) -> "UserIdKey":
        """The key that a secret makes."""
        if len(secret) < SHORTEST:
            raise WrongUse(
                f"settings: user_id_key has {len(secret)} characters and needs {SHORTEST}: "
                "make one with openssl rand -hex 32"
            )
        key = blake2b(secret.encode(), digest_size=64).digest()
        check = blake2b(key=key, digest_size=DIGEST, person=b"user_id_key").hexdigest()
        return cls(check, key)

    def pseudonym(self, user: str) -> str:
        """What stands for this shopper: 32 hex digits."""
        return blake2b(user.encode(), key=self.key, digest_size=DIGEST).hexdigest()

    def __repr__(self) -> str:
        return f"UserIdKey(check={self.check!r})"

    def __rich_repr__(self) -> list[tuple[str, object]]:
        return [("check", self.check)]
