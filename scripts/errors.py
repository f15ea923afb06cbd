"""The one exception for input that is refused."""


class InputError(ValueError):
    """Raised before any long work; the message names the file or key, the rule and the value found."""


def find_refusal(error: BaseException | None) -> InputError | None:
    """The refusal behind an error, if there is one: MONAI wraps what its transforms and configs raise."""
    while error is not None and not isinstance(error, InputError):
        error = error.__cause__ or error.__context__
    return error
