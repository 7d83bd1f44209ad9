"""Errors that a person can answer, told in one line."""

SHOWN_LETTERS = 60


class StreamError(Exception):
    """Something outside the code went wrong; the message names it and the fix.

    The command line prints the message alone and exits with `exit_code`.
    """

    exit_code = 1


class WrongUse(StreamError):
    """Asked for something that can't be: a wrong option, setting or file."""

    exit_code = 2


class BadRecord(ValueError):
    """A record that is not a behavior event; the message says why, for the dead letters."""


class Damaged(StreamError):
    """What is stored is not what was written: a snapshot or the log has to bring it back."""


def shown(given: object) -> str:
    """What was given, as a reason tells it: in one line, and of a long one the beginning.

    >>> shown("yesterday")
    "'yesterday'"
    """
    text = repr(given)
    return text if len(text) <= SHOWN_LETTERS else f"{text[:SHOWN_LETTERS]}..."
