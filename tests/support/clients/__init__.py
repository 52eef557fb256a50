"""The generated clients at work: each has the same whole conversation with a running API, in its own language."""

import asyncio
import json
import os
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scripts.clients import Generators, generate_python, generate_typescript

HERE = Path(__file__).parent
LANGUAGES = ("python", "typescript")


@dataclass(frozen=True, slots=True)
class Clients:
    """Clients that were generated from the document of a running service."""

    folder: Path
    generators: Generators = field(default_factory=Generators)

    def generate(self, url: str) -> None:
        """Both, from what the service at ``url`` says of itself; takes some seconds."""
        self.generators.ensure()
        self.folder.mkdir()
        generate_python(self.generators, f"{url}/openapi.json", self.folder / "python")
        generate_typescript(self.generators, f"{url}/openapi.json", self.folder / "typescript")

    def python(self, script: Path | str, *arguments: str) -> list[Path | str]:
        """A command line that runs Python where `bwvisu_client` can be imported."""
        return ["env", f"PYTHONPATH={self.folder / 'python'}", self.generators.python, script, *arguments]

    def typescript(self, script: Path, *arguments: str) -> list[Path | str]:
        """A command line that checks the types of a script and runs it; `bwvisu-client` can be imported."""
        package = self.folder / "typescript"
        here = package / script.name
        here.write_text(script.read_text())
        compiler = self.generators.modules / "typescript" / "bin" / "tsc"
        check = self.generators.node(compiler, "--project", package)
        go = self.generators.node(here.with_suffix(".js"), *arguments)
        return ["sh", "-euc", '"$1" "$2" "$3" "$4"; shift 4; exec "$@"', "sh", *check, *go]

    def conversation(self, language: str, *arguments: str) -> list[Path | str]:
        """A command line that has the conversation of `talk`."""
        if language == "python":
            return self.python(HERE / "conversation.py", *arguments)
        return self.typescript(HERE / "conversation.ts", *arguments)

    async def talk(
        self, language: str, url: str, token: str, application: str, seconds: float = 280, **parameters: Any
    ) -> dict[str, Any]:
        """Start a job of alice's twice with one key, watch it, enter it, stop it, and ask for what is not there."""
        command = self.conversation(language, application, json.dumps(parameters))
        told: dict[str, Any] = json.loads(await output(command, seconds, BWVISU_URL=url, BWVISU_TOKEN=token))
        return told


async def output(command: list[Path | str], seconds: float, folder: Path | None = None, **environment: str) -> str:
    """What a command prints; it must succeed within ``seconds``."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(seconds):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    assert process.returncode == 0, (out + err).decode(errors="replace")
    return out.decode()
