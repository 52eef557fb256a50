"""Texts of the pages that stand in Python."""


def _(text: str) -> str:
    """Marks a text for the catalogues; it is translated where it is shown."""
    return text
