from scripts.phantom.population import Site, apportion, list_scanners, read_scanners, read_sites, write_scanners


def site(name: str, manufacturers: str, field_strengths: list[float], t1w: int, pd: int = 0) -> Site:
    scans = {"t1w": t1w, "t2w": t1w, "pd": pd, "flair": t1w}
    return Site(name, False, tuple(manufacturers.split()), tuple(field_strengths), "MS", scans)


def test_table_adds_up_to_the_published_numbers():
    sites = read_sites()
    assert [s.name for s in sites] == [f"S{i}" for i in range(1, 65)]
    assert {c: sum(s.scans[c] for s in sites) for c in ("t1w", "t2w", "flair", "pd")} == {
        "t1w": 1023,
        "t2w": 1013,
        "flair": 991,
        "pd": 280,
    }
    assert sites[18].manufacturers == ("GE", "Hitachi", "Philips", "Siemens", "Toshiba")
    assert sites[18].field_strengths == (1.1, 1.5, 3.0)
    assert {s.population for s in sites} == {"HC", "MS", "TB"}


def test_listed_scanners_are_what_the_rule_gives(tmp_path):
    assert list_scanners(read_sites()) == read_scanners()
    write_scanners(read_scanners(), tmp_path / "scanners.csv")
    assert read_scanners(tmp_path / "scanners.csv") == read_scanners()


def test_132_scanners_cover_the_table():
    scanners, sites = read_scanners(), read_sites()
    assert len(scanners) == len({s.name for s in scanners}) == 132
    for each in sites:
        own = [s for s in scanners if s.site == each.name]
        assert {s.field_strength for s in own} == set(each.field_strengths)
        assert {s.manufacturer for s in own} <= set(each.manufacturers)
        assert {c for s in own for c in s.contrasts} == {c for c, scans in each.scans.items() if scans > 0}
        assert all("t1w" in s.contrasts for s in own)


def test_scanners_go_to_the_site_with_most_scans_per_scanner_up_to_what_it_names():
    sites = [
        site("A", "GE Philips Siemens", [3.0], t1w=12),
        site("B", "GE Siemens", [1.5, 3.0], t1w=100),
        site("C", "GE Philips", [3.0], t1w=7),
    ]
    # One per field strength is (1, 2, 1). A has 12 scans per scanner, so it gets the fifth; then C has 7 against A's 6.
    assert apportion(sites, total=5) == [2, 2, 1]
    assert apportion(sites, total=6) == [2, 2, 2]
    assert apportion(sites, total=7) == [3, 2, 2]


def test_rare_field_strength_comes_first_and_goes_to_its_manufacturer():
    scanners = list_scanners([site("A", "GE Hitachi Siemens", [1.1, 1.5, 3.0], t1w=9, pd=4)], total=3)
    kinds = [(s.name, s.manufacturer, s.field_strength) for s in scanners]
    assert kinds == [("A-01", "Hitachi", 1.1), ("A-02", "GE", 1.5), ("A-03", "Siemens", 3.0)]
    # ceil(3 * 4 / 9) = 2 of the three scanners acquire PD.
    assert ["pd" in s.contrasts for s in scanners] == [True, True, False]
