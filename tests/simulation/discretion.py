"""I6: what is secret of a job is in no log line, no argument of a program, and in no record but its own."""

from base64 import b64encode

from bwvisu.domain.access import access_password
from keyhole.auth import attempt_key

ATTEMPTS = range(1, 9)


class Discretion:
    """Knows every secret that there is."""

    def __init__(self) -> None:
        self._owners: dict[str, str] = {}

    def learn(self, job_id: str, secret: bytes) -> None:
        """A job's secret was drawn: itself, and what is derived from it, is to be kept."""
        words = [secret.hex(), b64encode(secret).decode(), secret.decode(errors="replace"), access_password(secret)]
        words += [attempt_key(secret, attempt) for attempt in ATTEMPTS]
        self._owners |= dict.fromkeys(words, job_id)

    def betrayed(self, text: str) -> str:
        """Whose secret a text holds; empty: nobody's."""
        return next((owner for word, owner in self._owners.items() if word in text), "")
