"""Bodies with a text that cannot be decoded: all else in them can still be used.

Half of a surrogate pair, a byte of Windows-1252 or endless nesting make a parser refuse the whole
body. Such a text is put into an object under a name of its own: the body can then be split as
usual, and only the record with this mark is rejected.
"""

from __future__ import annotations

import re

import msgspec

#: Deeper nesting is nobody's data, and too much for parsers, targets and databases.
DEEPEST = 100

#: NUL as JSON has it. Databases refuse it; the mark begins with it, so that one search finds both.
NUL = b"\\u0000"
#: The name of the field that holds a text that cannot be decoded.
MARK = NUL + b"undecodable"

_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"(\s*:)?|[\[{]|[\]}]', re.DOTALL)
_MARKED = re.compile(rb'\{"\\u0000undecodable":("(?:[^"\\]|\\.)*")\}')
_MARKED_FIELD = re.compile(rb'"(\w+)":\{?"?\[?\{"\\u0000undecodable"')
#: An escaped NUL; a backslash that is escaped itself stands before a plain text.
_ESCAPED_NUL = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")

#: What may be wrong in a string: bytes beyond ASCII, and surrogates.
_SUSPICIOUS = re.compile(rb"[\x80-\xff]|\\u[dD]")

_string_decoder = msgspec.json.Decoder(str)


def salvaged(body: bytes) -> bytes:
    """Mark what cannot be decoded; a body that has been cut off stays one that cannot be parsed."""
    body = bytes(body)  # it may be one of msgspec's own
    pieces: list[bytes] = []
    done, depth, too_deep = 0, 0, -1
    for token in _TOKEN.finditer(body):
        first = token[0][:1]
        if first == b'"':
            if too_deep < 0 and not _is_text(token[0].removesuffix(token[1] or b"").rstrip()):
                pieces += body[done : token.start()], _marked(token)
                done = token.end()
            continue
        depth += 1 if first in b"[{" else -1
        if too_deep < 0 and depth > DEEPEST:
            too_deep = token.start()
        elif too_deep >= 0 and depth == DEEPEST:
            pieces += body[done:too_deep], _as_object(body[too_deep : token.end()])
            done, too_deep = token.end(), -1
    return b"".join([*pieces, body[done:]])


def presentable(text: bytes) -> str:
    """Return a text as any database takes it: in UTF-8, without the marks and without NUL."""
    plain = _MARKED.sub(rb"\1", text).replace(MARK, b"")
    return without_nul(plain)[0].decode("utf-8", "replace")


def has_nul(text: bytes) -> bool:
    """Whether a JSON text may have NUL in it, or a mark."""
    # Backwards, the rarest bytes are compared first: twice as fast as ``in``.
    return text.rfind(NUL) >= 0


def without_nul(text: bytes) -> tuple[bytes, int]:
    """Take NUL out of a JSON text; return how many there were as well."""
    return _ESCAPED_NUL.subn(rb"\1", text)


def marked_field(text: bytes) -> str | None:
    """Return the name of the first field that holds a mark, if it has a plain one."""
    match = _MARKED_FIELD.search(text)
    return match[1].decode() if match else None


def _is_text(token: bytes) -> bool:
    if not _SUSPICIOUS.search(token):
        return True
    try:
        _string_decoder.decode(token)
    except msgspec.DecodeError:
        return False
    return True


def _marked(token: re.Match[bytes]) -> bytes:
    """Return the object that replaces a string, or a marked name if the string is one."""
    if colon := token[1]:
        name = token[0].removesuffix(colon)
        return b'"' + MARK + _as_string(name[1:-1])[1:] + colon
    return _as_object(token[0][1:-1])


def _as_object(text: bytes) -> bytes:
    return b'{"%b":%b}' % (MARK, _as_string(text))


def _as_string(text: bytes) -> bytes:
    """Write the raw text as a JSON string; bytes that are not UTF-8 become U+FFFD."""
    return msgspec.json.encode(text.decode("utf-8", "replace"))
