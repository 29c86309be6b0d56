"""The pages say what is so: links lead somewhere, and the settings are those of the code."""

import re
from pathlib import Path

import attrs
import pytest

from presence.config import Config

ROOT = Path(__file__).parents[1]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "bench/README.md"]
LINK = re.compile(r"\]\(([^)#\s]+)(#[^)\s]*)?\)")
SETTING = re.compile(r"^\| `(\w+)` \| `([^`]*)` \|", re.MULTILINE)
SETTINGS = SETTING.findall((ROOT / "docs/settings.md").read_text())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_to_a_file_leads_to_one(page):
    links = [target for target, _ in LINK.findall(page.read_text()) if "://" not in target]
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_setting_is_described_once():
    assert sorted(name for name, _ in SETTINGS) == sorted(
        field.name for field in attrs.fields(Config)
    )


@pytest.mark.parametrize(("name", "told"), SETTINGS)
def test_the_default_of_a_setting_is_the_one_described(name, told):
    default = getattr(Config(), name)
    if name == "is_development":
        assert (told, default, Config(host="0.0.0.0").is_development) == (
            "on loopback",
            True,
            False,
        )
    elif isinstance(default, bool):
        assert told == str(default).lower()
    elif isinstance(default, int | float):
        assert float(told) == default
    else:
        assert told == str(default or "none")
