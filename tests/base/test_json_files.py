import json
import os
from pathlib import Path

import pytest

from scripts.base.errors import InputError
from scripts.base.json_files import read_json, read_sidecar


def test_what_json_holds_is_read(tmp_path):
    path = tmp_path / "a.json"
    content = {"a": [1, None, {"b": "ü"}], "": True}
    path.write_text("\ufeff" + json.dumps(content, ensure_ascii=False), encoding="utf-8")
    assert read_json(path, "code") == content


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{'a': 1}", "Expecting property name enclosed in double quotes"),
        ("[" * 100_000, "it is nested too deep"),
        ("[" * 102 + "]" * 102, "it is nested more than 100 deep"),
        ('{"a": 1, "b": {"c": 2, "c": 3}}', "the key `c` is there twice"),
        ("1" * 5000, "Exceeds the limit"),
        ('"\udcff"', "'utf-8' codec can't decode"),
    ],
)
def test_what_is_no_json_is_refused_by_the_name_of_the_file(tmp_path, text, words):
    path = tmp_path / "a.json"
    path.write_text(text, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(InputError) as caught:
        read_json(path, "code")
    assert str(caught.value).startswith(f"code {path} must be a readable JSON file: ")
    assert words in str(caught.value)


def test_what_is_no_file_or_too_large_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.json")
    with (tmp_path / "large.json").open("wb") as file:
        file.truncate(1 << 27)
    for name, words in (("pipe", "it is no regular file"), ("large", "it has more than"), ("none", "No such file")):
        with pytest.raises(InputError, match=words):
            read_json(tmp_path / f"{name}.json", "code")


@pytest.mark.parametrize("text", ["[1]", "{", "[" * 100_000])
def test_a_sidecar_that_cannot_be_used_is_warned_of(tmp_path, caplog, text):
    image = Path(tmp_path / "a_T1w.nii.gz")
    assert read_sidecar(image) == {}
    sidecar = tmp_path / "a_T1w.json"
    sidecar.write_text('{"StationName": "MR 2", "StationName": "MR 3"}')
    assert read_sidecar(image) == {"StationName": "MR 3"}
    sidecar.write_text(text)
    assert read_sidecar(image) == {}
    (message,) = caplog.messages
    assert str(sidecar) in message and "is not used" in message
