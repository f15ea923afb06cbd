import pytest

from scripts.qc.verdicts import Limits, find_concerns, judge_severities

LIMITS = Limits(severity=(0.25, 0.5), edges=0.7, imputed=0.05, outside=0.001, volumes=0.1)


def test_scores_are_judged_by_their_distance_from_the_lowest():
    verdicts = judge_severities({"t1w": 1.1, "t2w": 1.2, "pd": 1.4, "flair": 1.6}, {}, None, LIMITS)
    assert verdicts == {
        "t1w": "the lowest score of these images",
        "t2w": "about as few signs of artifacts as the image with the lowest score",
        "pd": "somewhat more signs of artifacts than the image with the lowest score",
        "flair": "clearly more signs of artifacts than the image with the lowest score",
    }


def test_a_single_source_is_compared_with_the_target_if_that_has_a_score():
    assert judge_severities({"t1w": 1.0}, {}, None, LIMITS) == {"t1w": "there is no other image to compare it with"}
    assert judge_severities({"t1w": 1.0}, {}, 0.2, LIMITS) == {
        "t1w": "clearly more signs of artifacts than the image with the lowest score"
    }


def test_a_contrast_is_judged_by_what_is_usual_for_it():
    # The T1w image has the highest score of all, and nothing is wrong with it.
    usual = {"t1w": 0.5, "t2w": 0.1, "flair": 0.2}
    assert judge_severities({"t1w": 0.7, "t2w": 0.4, "flair": 0.8}, usual, 0.1, LIMITS) == {
        "t1w": "no more signs of artifacts than usual",
        "t2w": "somewhat more signs of artifacts than usual",
        "flair": "clearly more signs of artifacts than usual",
    }


def test_nothing_is_said_where_nothing_stands_out():
    assert (
        find_concerns({"edges": 0.9, "imputed": 0.05, "outside": 0.0009, "volumes": 0.02}, ["the lowest"], LIMITS) == []
    )
    assert find_concerns({}, [], LIMITS) == []


@pytest.mark.parametrize(
    ("values", "verdicts", "words"),
    [
        ({"edges": 0.42}, [], "only to 0.42"),
        ({"imputed": 0.051}, [], "5.1 % of the image was made up"),
        ({"outside": 0.001}, [], "0.1 % of the source lies outside the grid"),
        ({"volumes": 0.101}, [], "changed by 10.1 %"),
        ({}, ["clearly more signs of artifacts than usual"], "clearly more signs of artifacts"),
    ],
)
def test_each_limit_has_its_warning(values, verdicts, words):
    (concern,) = find_concerns(values, verdicts, LIMITS)
    assert words in concern
