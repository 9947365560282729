"""Static replies as routing asks for them (`routing/seam.py:Words`), written in the caller's dialect."""

from collections.abc import AsyncGenerator, Callable, Mapping

from waystation.dialects.saying import Begun, Ended, Saying, TextDelta, Writer
from waystation.dialects.table import SPOKEN, Spoken
from waystation.errors import ApiError
from waystation.gateway.call import Call
from waystation.providers.static.words import language_of, last_said, wants_words, words_of
from waystation.terms import Dialect, Event, Model, Operation, Piece, Usage

CHOICES_MAX = 128  # of a reply: each says the same


class Replies:
    """Asks nobody and waits for nothing."""

    def __init__(self, now_s: Callable[[], int], spoken: Mapping[tuple[Dialect, Operation], Spoken] = SPOKEN) -> None:
        self._now_s = now_s
        self._spoken = spoken

    def reply(self, call: Call, model: Model) -> AsyncGenerator[Event] | None:
        """The words that the route has for when nobody answers, in the caller's language and dialect.

        None: it has none, or what was asked for is not answered by words: embeddings, JSON, the call of a tool.
        """
        static = None if model.route is None else model.route.static
        spoken = self._spoken.get((call.dialect, call.operation))
        if static is None or spoken is None:
            return None
        try:
            ask = spoken.ask(call.body, call.request, None)
        except ApiError:  # its dialect can't be told in our words, so nobody knows what would be an answer
            return None
        if not wants_words(ask):
            return None
        asked = str(call.request.model)
        language = language_of(call.headers.get(b"accept-language"), last_said(ask))
        text = words_of(static, language, asked, call.request_id)
        envelope = spoken.new_envelope(asked, self._now_s())
        if call.answer_id:
            envelope = envelope._replace(id=call.answer_id)
        writer = spoken.writer(envelope, call.request)
        return _said(writer, text, min(max(ask.choices, 1), CHOICES_MAX), stream=ask.stream)


async def _said(writer: Writer, text: str, choices: int, *, stream: bool) -> AsyncGenerator[Event]:
    sayings: list[Saying] = [Begun()]
    for choice in range(choices):
        sayings += [TextDelta(text, choice), Ended("stop", choice=choice)]
    if not stream:
        yield writer.whole(sayings, Usage())
        return
    yield Piece(writer.piece(sayings))  # its text costs nothing, so there is none to be metered
    yield writer.done(Usage())
