"""Documents that are made from the code: written, or compared with what is there."""

from pathlib import Path

import typer

from bwvisu.errors import UserError


def keep(path: Path, text: str, *, check_only: bool) -> None:
    """Write ``text`` to ``path``; with ``check_only`` raise `UserError` where the file says something else."""
    there = path.read_text(encoding="utf-8") if path.exists() else None
    if there == text:
        typer.echo(f"{path}: up to date")
    elif check_only:
        raise UserError(f"{path} is stale: run `make docs`")
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        typer.echo(f"{path}: written")
