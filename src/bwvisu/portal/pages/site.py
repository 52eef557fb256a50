"""What a site makes of the portal: its colours and its logo."""

from pathlib import Path

from fastapi import APIRouter
from starlette.responses import Response

from bwvisu.portal.web import Pages

router = APIRouter()
_LOGO = Path(__file__).parent.parent / "static" / "logo.svg"
_DARK = """\
@media (prefers-color-scheme: dark) {{ :root:not([data-theme="light"]) {{ --accent: {0}; }} }}
:root[data-theme="dark"] {{ --accent: {0}; }}
"""


@router.get("/site.css")
async def colours(look: Pages) -> Response:
    """Laid over our own."""
    site = look.site
    light = f":root {{ --accent: {site.accent}; }}\n" if site.accent else ""
    dark = _DARK.format(site.accent_dark) if site.accent_dark else ""
    return Response(light + dark, media_type="text/css", headers={"Cache-Control": "max-age=300"})


@router.get("/logo.svg")
async def logo(look: Pages) -> Response:
    """The site's, or ours."""
    picture = (look.site.logo_file or _LOGO).read_bytes()
    headers = {
        "Cache-Control": "max-age=300",
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    }
    return Response(picture, media_type="image/svg+xml", headers=headers)
