"""Who is to be told of an event: found by whom it concerns, not by asking everybody."""

from collections.abc import Iterable, Iterator

from bwvisu.services.events import Event, Interest
from bwvisu.services.mailbox import Mailbox

_Topic = tuple[str, str] | None


class Audience:
    """Mailboxes by the narrowest thing that their readers are interested in."""

    def __init__(self) -> None:
        self._by_topic: dict[_Topic, set[Mailbox]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Mailbox]:
        return (mailbox for group in self._by_topic.values() for mailbox in group)

    def add(self, mailbox: Mailbox) -> None:
        """Let somebody in."""
        self._by_topic.setdefault(_topic(mailbox.interest), set()).add(mailbox)
        self._count += 1

    def remove(self, mailbox: Mailbox) -> None:
        """Let somebody go who is in."""
        topic = _topic(mailbox.interest)
        group = self._by_topic[topic]
        group.remove(mailbox)
        self._count -= 1
        if not group:
            del self._by_topic[topic]

    def of(self, events: Iterable[Event]) -> Iterable[Mailbox]:
        """Everybody whom these events may concern, each once; the others cost nothing."""
        found: dict[Mailbox, None] = {}
        for event in events:
            for topic in (("job", event.job_id), ("user", event.user), None):
                found.update(dict.fromkeys(self._by_topic.get(topic, ())))
        return found


def _topic(interest: Interest) -> _Topic:
    if interest.job_id is not None:
        return ("job", interest.job_id)
    return ("user", interest.user) if interest.user is not None else None
