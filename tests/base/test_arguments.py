import pytest
from fire.parser import DefaultParseValue

from scripts.base.arguments import as_text, by_contrast, refuse_keys_given_twice
from scripts.base.errors import InputError


@pytest.mark.parametrize("given", ["{'t1w': /data/a.nii.gz}", {}, {"t1w": None}, ["a.nii.gz"]])
def test_what_the_command_line_could_not_read_as_a_dict_is_refused_with_an_example(given):
    if isinstance(given, str):
        assert DefaultParseValue(given) == given
    with pytest.raises(InputError) as caught:
        by_contrast(given, "sources")
    example = "--sources \"{'t1w': 'a.nii.gz', 'flair': 'b.nii.gz'}\""
    assert str(caught.value) == f"`sources` must give a value for each contrast, like {example}, got {given!r}"


@pytest.mark.parametrize("written", ["12", "1e2", "0x10", "True"])
def test_a_number_on_the_command_line_is_refused_and_the_advice_helps(written):
    with pytest.raises(InputError) as caught:
        as_text(DefaultParseValue(written), "subject")
    assert str(caught.value).startswith(f"`subject` must be text, got {DefaultParseValue(written)}; put what you wrote")
    assert str(caught.value).endswith("on the command line in two pairs: \"'...'\"")
    assert as_text(DefaultParseValue(f"'{written}'"), "subject") == written


@pytest.mark.parametrize("text", ["{'t1w': 'a.nii', 't1w': 'b.nii'}", "{t1w: a, 't1w': b}", "[{1: 2, 1: 3}]"])
@pytest.mark.parametrize("form", [["--sources", "{}"], ["--sources={}"]])
def test_a_key_that_is_given_twice_is_refused(text, form):
    words = [word.replace("{}", text) for word in form]
    with pytest.raises(InputError, match="every key must be there once, `(t1w|1)` is there twice in "):
        refuse_keys_given_twice(["run", *words])


@pytest.mark.parametrize("text", ["{'t1w': 'a', 'flair': 'a'}", "{'a': {'b': 1}, 'b': 1}", "{t1w: /data/a", "[" * 9999])
def test_other_words_of_a_command_line_are_left_alone(text):
    refuse_keys_given_twice(["run", "--sources", text, "--target=" + text, "{"])
