"""What every page has: the templates, the language, the theme, and headers that keep foreign scripts out."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from babel import Locale
from babel.dates import format_datetime, format_timedelta
from babel.support import NullTranslations, Translations
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from bwvisu.domain.address import place
from bwvisu.portal.cards import STATE_NAMES
from bwvisu.portal.places import here
from bwvisu.portal.reasons import why
from bwvisu.portal.session import csrf_token, signed_in
from bwvisu.settings import SiteSettings

HOME = Path(__file__).parent
LANGUAGES = {"en": "English", "de": "Deutsch"}
THEMES = ("system", "light", "dark")
CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; manifest-src 'self'; form-action 'self'{forms}; frame-ancestors 'none'; base-uri 'none'"
)


@cache
def translations(language: str) -> NullTranslations:
    """The catalogue of a language; English is the text itself."""
    return Translations.load(HOME / "locale", [language]) if language != "en" else NullTranslations()


def language_of(request: Request, site: SiteSettings) -> str:
    """What the person chose, else what the browser asks for, else the site's."""
    chosen = request.session.get("language")
    if chosen in LANGUAGES:
        return str(chosen)
    wanted = re.findall(r"([a-zA-Z]{2})[\w-]*(?:;q=([\d.]+))?", request.headers.get("accept-language", ""))
    weighed = [(float(weight or 1), tag.lower()) for tag, weight in wanted if re.fullmatch(r"(\d+\.?\d*)?", weight)]
    ranked = sorted(weighed, key=lambda each: -each[0])
    return next((tag for weight, tag in ranked if tag in LANGUAGES and weight), site.language)


class Look:
    """Renders pages."""

    def __init__(self, site: SiteSettings) -> None:
        self.site = site
        self._environments = {language: self._environment(language) for language in LANGUAGES}

    def page(
        self, request: Request, template: str, status: int = 200, forms: Sequence[str] = (), **values: Any
    ) -> HTMLResponse:
        """A whole page; ``forms``: other origins that its forms may go to."""
        policy = CONTENT_POLICY.format(forms="".join(f" {each}" for each in forms))
        headers = {"Content-Security-Policy": policy, "Cache-Control": "no-store"}
        told = request.session.pop("told", ())
        return HTMLResponse(self.text(request, template, told=told, **values), status, headers=headers)

    def text(self, request: Request, template: str, **values: Any) -> str:
        """A page or a part of one, as text."""
        language = language_of(request, self.site)
        back = {"here": here(request.method, request.url.path, request.url.query)}
        return (
            self._environments[language]
            .get_template(template)
            .render(
                request=request,
                path=request.url.path,
                person=signed_in(request.session),
                csrf=csrf_token(request.session),
                theme=request.session.get("theme", "system"),
                language=language,
                **{**back, **values},
            )
        )

    def words(self, request: Request) -> NullTranslations:
        """For messages that are made in Python."""
        return translations(language_of(request, self.site))

    def _environment(self, language: str) -> Environment:
        environment = Environment(
            loader=FileSystemLoader(HOME / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=["jinja2.ext.i18n"],
        )
        environment.install_gettext_translations(translations(language), newstyle=True)  # type: ignore[attr-defined] # of the extension
        environment.globals.update(site=self.site, languages=LANGUAGES, states=STATE_NAMES, place=place)
        environment.filters.update(_filters(language))
        # not `_`, which takes what it is given for markup of ours: these may come from elsewhere
        environment.filters["translated"] = lambda text: translations(language).gettext(text) if text else ""
        translate = None if language == "en" else translations(language).gettext
        environment.filters["why"] = lambda card: why(card.job, card.reason, translate)
        environment.filters["no_more_time"] = lambda card: why(card.job, card.job.extension.reason, translate)
        return environment


def _filters(language: str) -> Mapping[str, Any]:
    locale = Locale.parse(language)

    @lru_cache(maxsize=10_000)  # a page of a hundred sessions has five hundred of them, most of them alike
    def words(seconds: int, *, directed: bool) -> str:
        return format_timedelta(timedelta(seconds=seconds), locale=locale, add_direction=directed, threshold=1.1)

    def ago(moment: datetime) -> str:
        return words(round((moment - datetime.now(UTC)).total_seconds()), directed=True)

    def span(seconds: float) -> str:
        return words(round(max(0.0, seconds)), directed=False)

    def moment(value: datetime) -> str:
        return format_datetime(value, "d MMM yyyy, HH:mm:ss 'UTC'", locale=language)

    return {"ago": ago, "span": span, "moment": moment}
