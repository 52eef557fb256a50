"""What the portal keeps of a person, in the API's preferences: last values, presets, choices.

Other frontends may keep things there, too: only what is below ``portal`` is ours.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Self

from bwvisu.errors import BwvisuError, Conflict, Fault, TryAgain, UserError
from bwvisu.portal.api import Api
from bwvisu.rest import Json, NotAsRead

MOST_PRESETS = 20
"""Of one application."""
LONGEST_TITLE = 60
TRIES = 3


class Memory:
    """One person's; changes are written at once, over nobody else's."""

    def __init__(self, api: Api, values: Json, version: str) -> None:
        self._api = api
        self._values = values
        self._version = version

    @classmethod
    async def read(cls, api: Api) -> Self:
        """What is kept; nothing where it cannot be read, since a form without memory is still a form."""
        try:
            values, version = await api.preferences()
        except TryAgain:
            return cls(api, {}, "")
        return cls(api, values, version)

    def last(self, application: str) -> dict[str, Any]:
        """The values with which it was started last."""
        return _object(self._of("last").get(application))

    def presets(self, application: str) -> dict[str, dict[str, Any]]:
        """Its presets by title."""
        return {title: _object(values) for title, values in _object(self._of("presets").get(application)).items()}

    def notify(self) -> list[str]:
        """What the person wants to be told of by mail, as chosen last."""
        found = _object(self._values.get("portal")).get("notify")
        return [str(each) for each in found] if isinstance(found, list) else []

    async def remember(self, application: str, values: Mapping[str, Any], notify: Sequence[str] | None = None) -> None:
        """Keep the values of a start, and the choice of mails where there was one; that they are lost harms nobody."""

        def change(ours: dict[str, Any]) -> None:
            ours["last"].update({application: dict(values)})
            if notify is not None:
                ours["notify"] = list(notify)

        try:
            await self._change(change)
        except BwvisuError:
            return

    async def save_preset(self, application: str, title: str, values: Mapping[str, Any]) -> list[Fault]:
        """Keep values under a title, or say why not."""
        if not title or len(title) > LONGEST_TITLE or not title.isprintable():
            return [Fault("", f"A preset needs a name of at most {LONGEST_TITLE} characters.")]
        if len(self.presets(application)) >= MOST_PRESETS and title not in self.presets(application):
            return [Fault("", f"There are {MOST_PRESETS} presets already; remove one first.")]
        try:
            await self._change(
                lambda ours: ours["presets"].update({application: {**self.presets(application), title: dict(values)}})
            )
        except (UserError, TryAgain) as error:
            return [Fault("", str(error))]
        return []

    async def drop_preset(self, application: str, title: str) -> None:
        """Forget one."""

        def change(ours: dict[str, Any]) -> None:
            kept = {other: values for other, values in self.presets(application).items() if other != title}
            ours["presets"].update({application: kept})

        await self._change(change)

    def _of(self, kind: str) -> dict[str, Any]:
        return _object(_object(self._values.get("portal")).get(kind))

    async def _change(self, change: Any) -> None:
        for _ in range(TRIES):
            ours = self._values.get("portal")
            self._values["portal"] = ours = ours if isinstance(ours, dict) else {}
            ours.update(last=self._of("last"), presets=self._of("presets"))
            change(ours)
            try:
                await self._api.keep(self._values, self._version)
            except NotAsRead:
                self._values, self._version = await self._api.preferences()
                continue
            self._values, self._version = await self._api.preferences()
            return
        raise Conflict("Somebody else has just changed your presets. Please try again.")


def _object(found: Any) -> dict[str, Any]:
    """What another frontend may have put there is no mapping: nothing then."""
    return dict(found) if isinstance(found, dict) else {}
