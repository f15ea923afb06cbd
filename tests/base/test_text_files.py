import os

from scripts.base.text_files import write_text


def test_a_name_that_is_not_utf_8_can_be_written(tmp_path):
    write_text(tmp_path / "page.html", f"é {os.fsdecode(b'a' + bytes([255]))}.nii.gz")
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == "é a\\udcff.nii.gz"
