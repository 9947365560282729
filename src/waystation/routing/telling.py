"""An answer told in the vocabulary, written in the caller's dialect: from its begin, or from where another broke off."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from waystation.dialects.saying import Ended, Saying, Used, Writer, text_of
from waystation.dialects.table import Spoken
from waystation.errors import UpstreamFailed
from waystation.gateway.call import Call
from waystation.routing.going_on import Said, Seam, extended
from waystation.routing.seam import Provider
from waystation.terms import Done, Event, Piece, Target, Usage

Count = Callable[[str, str], int]
"""(text, model) → tokens."""


def told(provider: Provider, call: Call, target: Target, spoken: Spoken, now_at: int) -> AsyncGenerator[Event]:
    """The answer of a provider that does not know the caller's dialect. `now_at`: UTC seconds, for the envelope.

    Raises Unsupported, InvalidRequest where what is asked can't be said in the vocabulary.
    """
    ask = spoken.ask(call.body, call.request, call.output_tokens_max)
    envelope = spoken.new_envelope(call.request.model, now_at)
    if call.answer_id:  # it is kept under that
        envelope = envelope._replace(id=call.answer_id)
    writer = spoken.writer(envelope, call.request)
    return _written(provider.tell(ask, target, call), writer, call)


def gone_on(
    provider: Provider, call: Call, target: Target, said: Said, spoken: Spoken, count_tokens: Count
) -> AsyncGenerator[Event]:
    """The rest of an answer that broke off: what was said there is neither begun nor said again."""
    sent = said.text
    sent_tokens = count_tokens(sent, target.model.name) if sent else 0
    writer = spoken.writer(spoken.envelope(said.first_event), call.request)
    spoken.resume(writer, sent, said.last_event)
    ask = spoken.ask(call.body, call.request, call.output_tokens_max)
    longer = extended(ask, sent, sent_tokens, call.operation)
    if longer is None:
        return _ended(writer)
    return _stream(provider.tell(longer, target, call), writer, call, 1, Seam(sent, sent_tokens))


async def _written(sayings: AsyncGenerator[Saying], writer: Writer, call: Call) -> AsyncGenerator[Event]:
    """An answer's events, Done last. Closing closes `sayings`."""
    if call.request.stream:
        async with aclosing(_stream(sayings, writer, call, call.request.choices, None)) as events:
            async for event in events:
                yield event
    else:
        async with aclosing(sayings):
            yield await _whole(sayings, writer)


async def _ended(writer: Writer) -> AsyncGenerator[Event]:
    """The end of an answer that already has all the tokens that were asked for: it only lacked its last events."""
    if data := writer.piece((Ended("length"),)):
        yield Piece(data)
    yield writer.done(None)


async def _stream(
    sayings: AsyncGenerator[Saying], writer: Writer, call: Call, choices: int, seam: Seam | None
) -> AsyncGenerator[Event]:
    """The events of a stream. When the ledger cuts it, every open choice ends for its length."""
    usage: Usage | None = None
    ended = 0
    text = ""  # of events that say nothing in this dialect, but were made and are paid for
    async with aclosing(sayings):
        async for told_there in sayings:
            saying = told_there if seam is None else seam.join(told_there)
            if saying is None:
                continue
            if type(saying) is Used:
                usage = saying.usage
                continue
            over = type(saying) is Ended
            ended += over
            data = writer.piece((saying,))
            text += text_of(saying)
            if data and (over or not call.cut):
                yield Piece(data, text)
                text = ""
            if call.cut and ended < choices:
                await sayings.aclose()
                yield writer.cut()
                return
    if not ended:  # a reader should have said so: what is only a part must never pass for the whole
        raise UpstreamFailed("The provider broke off its answer.", detail="the answer was told without its end")
    yield writer.done(usage)


async def _whole(sayings: AsyncGenerator[Saying], writer: Writer) -> Done:
    usage: Usage | None = None
    answer: list[Saying] = []
    async for saying in sayings:
        if type(saying) is Used:
            usage = saying.usage
        else:
            answer.append(saying)
    return writer.whole(answer, usage)
