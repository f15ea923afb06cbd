import json

from scripts.bench.scaling import rows, write_cohort


def test_a_cohort_is_of_different_files(tmp_path):
    image = tmp_path / "t1w.nii.gz"
    image.write_bytes(b"voxels")
    people = json.loads(write_cohort(tmp_path, image, visits=2).read_text())
    assert [person["subject"] for person in people] == ["01", "02"]
    assert len({person["t1w"] for person in people}) == 2


def test_the_table_compares_with_one_process():
    assert rows({1: 100.0, 2: 55.0}, visits=4) == [("1", "100", "25", "1.00"), ("2", "55", "14", "1.82")]
