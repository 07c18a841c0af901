"""A batch's bytes as they follow from its messages. Pure. What they mean is for validate/messages to say."""

from collections.abc import Iterator, Sequence

from hub_pipelines.common.canonical import canonical_text


def payload_of(contents: Sequence[tuple[str, bytes]]) -> bytes:
    """A line for each message with its signed envelope (canonical JSON) and its body exactly as it came, as canonical
    JSON has the two."""
    return b"".join(_lines(contents))


def _lines(contents: Sequence[tuple[str, bytes]]) -> Iterator[bytes]:
    for envelope, body in contents:
        yield f'{{"body":{canonical_text(body.decode("utf-8"))},"envelope":{envelope}}}\n'.encode()
