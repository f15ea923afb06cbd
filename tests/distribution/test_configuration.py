import json
from pathlib import Path

from scripts.distribution.configuration import PAGE, WORDS, page, undescribed

CONFIGS = Path(__file__).parents[2] / "configs"


def test_every_option_of_every_config_is_described():
    assert list(undescribed()) == []


def test_nothing_is_described_that_no_config_has():
    words = json.loads(WORDS.read_text(encoding="utf-8"))
    known = {name: json.loads((CONFIGS / f"{name}.json").read_text(encoding="utf-8")) for name in words["configs"]}
    for option in words["options"]:
        key, _, config = option.partition(".")
        assert any(key in content for name, content in known.items() if config in ("", name)), option


def test_the_page_is_what_the_configs_say():
    assert PAGE.read_text(encoding="utf-8") == page()
