"""A remote screen in a page: a picture without words, so tests look for colours on it."""

from collections.abc import Callable
from contextlib import suppress

from playwright.sync_api import Page
from playwright.sync_api import TimeoutError as TooLate

from tests.support.browser import PATIENCE

Colour = tuple[int, int, int]
WHITE: Colour = (255, 255, 255)
"""An xterm's window before anything is written."""
RED: Colour = (205, 0, 0)
"""The same after `PAINT`."""
PAINT = r"printf \\033[41m\\033[2J"
"""For a shell in an xterm: paint the whole window red.

Without quotes: half of a line, typed while another window took the keyboard, would leave the shell inside of one.
"""
AREA = 50_000
"""Pixels; a third of an xterm's window."""
RETRY = 3_000
"""Milliseconds between two tries."""
_COVERS = """([canvases, colour, area]) => [...document.querySelectorAll(canvases)].some(canvas => {
    if (!canvas.width || !canvas.height) return false
    const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height)
    let found = 0
    for (let i = 0; i < data.length; i += 4)
        if (data[i] === colour[0] && data[i + 1] === colour[1] && data[i + 2] === colour[2]) found++
    return found >= area
})"""


class Screen:
    """What a page shows on the canvases that a CSS selector finds."""

    def __init__(self, page: Page, canvases: str) -> None:
        self.page = page
        self.canvases = canvases

    def act_until(self, colour: Colour, act: Callable[[], object]) -> None:
        """Do something, again every few seconds, until a large part of the screen has exactly this colour.

        Keys are lost while a window or its focus is still on the way.
        """
        for _ in range(PATIENCE // RETRY):
            act()
            with suppress(TooLate):
                self.page.wait_for_function(_COVERS, arg=[self.canvases, colour, AREA], timeout=RETRY, polling=100)
                return
        raise TooLate(f"the screen never showed {colour}")
