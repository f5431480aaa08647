"""What a person's hand meets on the page: the joystick, the word for what drives, and the link that carries it."""

from __future__ import annotations

from nicegui.element import Element


class DriveLink(Element, component="web/drive_link.js"):
    """The page's end of the drive socket, with the keyboard, the pads and the space bar; once on each page.

    Args:
        client: identifier of this page, by which the server knows its driver.
    """

    def __init__(self, client: str) -> None:
        super().__init__()
        self._props["client"] = client


class Stick(Element, component="web/stick.js"):
    """A joystick for finger or mouse, which springs back; while it is on the screen the arrow keys drive too."""


class HandSource(Element, component="web/hand_source.js"):
    """Says whether joystick, keyboard or pad is held."""


class LookButton(Element, component="web/look.js"):
    """Changes between light and dark; the browser remembers."""
