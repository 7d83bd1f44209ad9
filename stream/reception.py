"""What one record asks of its shard, read as the settings say."""

from collections import Counter
from typing import Protocol

from stream.core.events import Decoder, Forget, Ignored, Touch
from stream.errors import BadRecord
from stream.messages import DeadLetter
from stream.settings import Settings


class Received(Protocol):
    """What a record says beside its time."""

    @property
    def offset(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...


class Reception:
    """Reads records of one partition, and counts what becomes of them in `counts`.

    Where there is a `user_id_key`, keyed hashes take the place of user ids here, before
    anything is done with them.
    """

    def __init__(
        self, topic: str, partition: int, settings: Settings, counts: Counter[str]
    ) -> None:
        self.counts = counts
        self._topic = topic
        self._partition = partition
        self._decode = Decoder(settings)
        self._key = settings.user_id_key

    def read(
        self, record: Received, known: list[Touch] | None, letters: list[DeadLetter]
    ) -> list[Touch] | Forget:
        """The record's touches, none of one that is refused: that is among the letters then.

        `known` is what the value says, where its reader has decoded it.
        """
        try:
            if not record.key:
                raise BadRecord("an empty key: publish with the user_id as key")
            found = known or self._decode(record.value)
        except BadRecord as error:
            self.refuse(record, str(error), letters)
            return []
        if isinstance(found, Ignored):
            self.counts["ignored"] += 1
            return []
        self.counts["accepted"] += 1
        user = (found if isinstance(found, Forget) else found[0]).user_id
        if record.key != user.encode():
            self.counts["key_differs"] += 1
        return self._pseudonymous(found, user)

    def refuse(self, record: Received, reason: str, letters: list[DeadLetter]) -> None:
        """Put a record among the letters."""
        self.counts["rejected"] += 1
        letters.append(
            DeadLetter(
                topic=self._topic,
                partition=self._partition,
                offset=record.offset,
                reason=reason,
                key=record.key,
                value=record.value,
            )
        )

    def forgotten(self, value: bytes | None) -> str | None:
        """Who is to be forgotten, if the record asks for that; nothing is counted."""
        try:
            found = self._decode(value)
        except BadRecord:
            return None
        return self.name(found.user_id) if isinstance(found, Forget) else None

    def name(self, user: str) -> str:
        """What a shopper is called here."""
        return user if self._key is None else self._key.pseudonym(user)

    def _pseudonymous(self, found: list[Touch] | Forget, user: str) -> list[Touch] | Forget:
        if self._key is None:
            return found
        name = self._key.pseudonym(user)
        if isinstance(found, Forget):
            return found._replace(user_id=name)
        return [touch._replace(user_id=name) for touch in found]
