"""A home without profiles."""

from pathlib import Path

import pytest


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("URL", "TOKEN", "TOKEN_FILE", "PROFILE", "CA_FILE", "USER"):
        monkeypatch.delenv(f"BWVISU_{name}", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "bwvisu").mkdir()
    return tmp_path / "bwvisu"
