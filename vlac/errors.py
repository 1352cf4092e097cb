"""The one exception that reaches people: a sentence that says what is wrong, and one that says what to do."""

LONGEST = 500
"""Characters of a sentence that a file or somebody else has a say in."""


class VlacError(Exception):
    """A mistake that the user can fix: `message` says what is wrong, `hint` what to do next.

    The command line prints both on one line and exits with status 2, without a traceback. Characters that do something
    to a terminal, as names and values of files may hold them, are written out.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        self.message, self.hint = printable(message), printable(hint)
        super().__init__(f"{self.message} {self.hint}".strip())


class DivergedError(VlacError):
    """A training whose loss or weights are no longer finite: for a search a result, elsewhere a mistake to fix."""


def refuse_fewer(images: int, than: int, name: str) -> None:
    """Raise VlacError if there are fewer training images than the setting of this name asks for."""
    if images < than:
        raise VlacError(f"{name} is {than}, but there are only {images} training images.", "Lower it.")


def printable(text: str) -> str:
    """Return `text` with all that is no printable character, line ends aside, in the notation of Python."""
    return "".join(char if char.isprintable() or char == "\n" else repr(char)[1:-1] for char in text)


def one_line(text: str) -> str:
    """Return `text` on one line, printable, and not much longer than somebody reads."""
    line = printable(" ".join(text.split()))
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 100]} ... {line[-95:]}"
