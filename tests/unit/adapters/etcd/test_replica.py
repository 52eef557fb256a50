"""The replica equals the store after any mixture of watching and listing."""

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from bwvisu.adapters.etcd import Batch, Entry, Event, Listing
from bwvisu.adapters.etcd.replica import Replica, caught_up


def decode(entry: Entry) -> int:
    return int(entry.value)


@dataclass
class Store:
    """etcd in a few lines: a history of events, and what it adds up to."""

    revision: int = 1
    entries: dict[str, Entry] = field(default_factory=dict)
    history: list[Event] = field(default_factory=list)

    def put(self, key: str) -> None:
        self.revision += 1
        old = self.entries.get(key)
        created = old.create_revision if old else self.revision
        self.entries[key] = Entry(key, str(self.revision).encode(), created, self.revision)
        self.history.append(Event(key, self.revision, self.entries[key]))

    def delete(self, key: str) -> None:
        if self.entries.pop(key, None) is not None:
            self.revision += 1
            self.history.append(Event(key, self.revision, None))

    def listing(self) -> Listing:
        return Listing(dict(sorted(self.entries.items())), self.revision)

    def since(self, revision: int) -> tuple[Event, ...]:
        return tuple(event for event in self.history if event.revision > revision)


steps = st.lists(
    st.tuples(st.sampled_from(["put", "delete", "watch", "list", "watch again"]), st.sampled_from("abc")), max_size=40
)


@given(steps)
def test_any_mixture_of_watching_and_listing_adds_up(todo: list[tuple[str, str]]) -> None:
    store, replica = Store(), Replica(decode)
    told: dict[str, int | None] = {}
    for verb, key in todo:
        changes = []
        match verb:
            case "put":
                store.put(key)
            case "delete":
                store.delete(key)
            case "list":
                changes = [replica.replace(store.listing())]
            case "watch" | "watch again":
                start = replica.revision if verb == "watch" else max(replica.revision - 3, 0)
                if events := store.since(start):
                    changes = [replica.apply(Batch(events[-1].revision, events))]
        for change in (one for some in changes for one in some.changes):
            assert told.get(change.key) == change.previous
            told[change.key] = change.value
    replica.replace(store.listing())
    assert replica.entries == store.entries
    assert replica.values == {key: int(entry.value) for key, entry in store.entries.items()}
    assert replica.revision == store.revision


def test_what_a_watch_still_owes_is_named_and_struck_off() -> None:
    store, replica = Store(), Replica(decode)
    store.put("stays")
    store.put("goes")
    replica.replace(store.listing())
    store.put("stays")
    store.put("new")
    store.delete("goes")
    missing = replica.missing(store.listing())
    assert missing == {"stays": 4, "new": 5, "goes": 4}
    assert caught_up(missing, (Event("new", 3, None),)) == missing, "an older event does not pay the debt"
    assert caught_up(missing, store.since(4)) == {"stays": 4}
    assert caught_up(missing, store.since(3)) == {}


def test_a_listing_that_shows_nothing_new_moves_the_place_to_resume_from() -> None:
    store, replica = Store(), Replica(decode)
    store.put("a")
    replica.replace(store.listing())
    replica.confirm(Listing(store.entries, 50))
    assert replica.revision == 50


def test_a_damaged_record_is_set_aside_whatever_its_decoder_raises() -> None:
    known: dict[str, int] = {}
    replica = Replica(lambda entry: known[entry.key])
    changes = replica.replace(Listing({"a": Entry("a", b"", 2, 2)}, 2))
    assert replica.unreadable == {"a": "KeyError: 'a'"}
    assert not replica.values
    assert [change.value for change in changes.changes] == [None]
    replica.apply(Batch(3, (Event("a", 3, None),)))
    assert not replica.unreadable
