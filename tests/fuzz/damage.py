"""Damage to bytes, whatever they mean."""

from hypothesis import strategies as st


@st.composite
def damaged(draw: st.DrawFn, content: bytes, heads: int = 400) -> bytes:
    """Return `content` damaged in one to three ways; half of the damage hits its first `heads` bytes."""
    changed = bytearray(content)
    for _ in range(draw(st.integers(1, 3))):
        size = len(changed)
        at = draw(st.one_of(st.integers(0, min(heads, size)), st.integers(0, size)))
        match draw(st.sampled_from(["cut", "flip", "put", "number", "drop", "repeat", "shift"])):
            case "cut":
                del changed[at:]
            case "flip" if at < size:
                changed[at] ^= 1 << draw(st.integers(0, 7))
            case "put":
                changed[at:at] = draw(st.binary(min_size=1, max_size=12))
            case "number":  # where sizes stand
                at = at // 4 * 4
                wild = st.sampled_from([0, 1, 2**31 - 1, 2**31, 2**32 - 1, 2**24, 0x10001, 0x50009])
                changed[at : at + 4] = draw(st.one_of(wild, st.integers(0, 2**32 - 1))).to_bytes(4, "little")
            case "drop":
                del changed[at : at + draw(st.integers(1, 64))]
            case "repeat":
                changed[at:at] = changed[at : at + draw(st.integers(1, 64))]
            case "shift":
                changed[:0] = draw(st.sampled_from([b"\0", b"\xef\xbb\xbf", b"<html>", b"\n", b"\x89HDF\r\n\x1a\n"]))
    return bytes(changed)
