from scripts.bench.scaling import rows


def test_the_table_compares_with_one_process():
    assert rows({1: 100.0, 2: 55.0}, visits=4) == [("1", "100", "25", "1.00"), ("2", "55", "14", "1.82")]
