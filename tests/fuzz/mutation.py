"""Bytes that were real once: recorded output, cut, joined, repeated and altered."""

from collections.abc import Sequence

from hypothesis import strategies as st

NOISE = (
    *(b"\0", b"\n", b"\r\n", b"|", b"\xff", b"\xc2", b"\xd9\xa3", b"\xe2\x80\xa8", b" ", b"=", b":", b"[", b"]", b"-"),
    *(b"0", b"9" * 5000, b"-1", b"1e999", b"NaN", b"(null)", b"Unknown", b"\x1b[31m", b"a" * 300, b"[1-99999999]"),
)


@st.composite
def mutated(draw: st.DrawFn, originals: Sequence[bytes], words: Sequence[bytes] = ()) -> bytes:
    """One of the originals after a few accidents; ``words`` are put in beside general noise."""
    text = draw(st.sampled_from(originals))
    for _ in range(draw(st.integers(0, 4))):
        begin = draw(st.integers(0, len(text)))
        end = draw(st.integers(begin, min(len(text), begin + draw(st.sampled_from((0, 1, 8, 80, 100_000))))))
        piece = draw(st.sampled_from((b"", text[begin:end] * 2, *NOISE, *words)) | st.binary(max_size=12))
        text = text[:begin] + piece + text[end:]
    return text
