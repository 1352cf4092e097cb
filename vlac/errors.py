"""The one exception that reaches people: a sentence that says what is wrong, and one that says what to do."""


class VlacError(Exception):
    """A mistake that the user can mend: `message` says what is wrong, `hint` what to do next.

    The command line prints both on one line and exits with status 2, without a traceback.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(f"{message} {hint}".strip())
        self.message = message
        self.hint = hint


class DivergedError(VlacError):
    """A training whose loss or weights are no longer finite: for a search a result, elsewhere a mistake to mend."""
