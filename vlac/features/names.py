"""What features are called: apart from what computes them, so that a changed word retrains nothing."""

from vlac.features import Sees

TITLE: dict[Sees, str] = {"pixels": "pixels", "gist": "GIST"}
"""What a label calls them."""

DESCRIPTION: dict[Sees, str] = {
    "pixels": "pixels in [0, 1]",
    "gist": (
        "colour GIST of 960 numbers (Oliva and Torralba, 2001; as lear_gist: 3 scales of 8, 8 and 4 orientations, "
        "4 x 4 blocks, 3 channels)"
    ),
}
"""What they are, for the table's notes."""
