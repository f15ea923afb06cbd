"""The one exception for input that is refused."""


class InputError(ValueError):
    """Raised before any long work; the message names the file or key, the rule and the value found."""
