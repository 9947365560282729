"""Undo a request's content-encoding, within bounds."""

import zlib

from waystation.errors import InvalidRequest, RequestTooLarge, UnsupportedMediaType

_WINDOW_BITS = {b"gzip": 31, b"x-gzip": 31, b"deflate": 15}


def unpack(body: bytes, encoding: bytes, size_bytes_max: int) -> bytes:
    """The body without its gzip or deflate coding.

    Raises RequestTooLarge as soon as it grows past `size_bytes_max`, so a bomb costs no more memory than that.
    """
    encoding = encoding.strip().lower()
    if encoding in (b"", b"identity"):
        return body
    window_bits = _WINDOW_BITS.get(encoding)
    if window_bits is None:
        raise UnsupportedMediaType(
            f"The content-encoding '{encoding[:40].decode('latin-1')}' is not supported. Send gzip, deflate or none.",
        )
    inflate = zlib.decompressobj(window_bits)
    try:
        plain = inflate.decompress(body, size_bytes_max)
        if inflate.unconsumed_tail:
            raise RequestTooLarge(f"The request body is larger than {size_bytes_max} bytes when unpacked.")
        plain += inflate.flush()
    except zlib.error as error:
        raise InvalidRequest(f"The request body is not valid {encoding.decode()}.", detail=str(error)) from None
    if not inflate.eof or inflate.unused_data:
        raise InvalidRequest(f"The request body is not one whole {encoding.decode()} stream.")
    return plain
