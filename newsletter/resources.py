"""Where the files that travel with the package are: inside the wheel, or at the top of a checkout."""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).parent


def packaged(name: str) -> Path:
    """The packaged file or folder of this name (``templates``, ``articles``, ``newsletter.toml`` ...)."""
    inside = HERE / "packaged" / name
    return inside if inside.exists() else HERE.parent / name
