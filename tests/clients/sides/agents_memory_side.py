"""Three turns, of which the last asks what was said first; how the turns are joined is said by each argument after the model."""

import asyncio
import sys

from agents import Agent, ModelSettings, OpenAIConversationsSession, Runner, function_tool, set_tracing_disabled
from openai import AsyncOpenAI

TURNS = (
    'I am Ann. [[call get_weather {"city": "Paris"}]] [[say It is mild.]]',
    'And there? [[call get_weather {"city": "Oslo"}]] [[say It is cold.]]',
    "Who am I? [[recall]]",
)
set_tracing_disabled(True)  # traces would go to OpenAI


@function_tool
def get_weather(city: str) -> str:
    """The weather of a city."""
    print(f"tool: {city}")
    return "21 degrees"


def agent(**settings: object) -> Agent:
    given = ModelSettings(**settings)
    return Agent(
        name="Forecaster", instructions="Be brief.", model=sys.argv[1], tools=[get_weather], model_settings=given
    )


async def previous_response() -> None:
    last = None
    for turn in TURNS:
        result = await Runner.run(agent(), turn, previous_response_id=last)
        print(result.final_output)
        last = result.last_response_id


async def chained_within_a_turn() -> None:
    last = None
    for turn in TURNS:
        result = await Runner.run(agent(), turn, previous_response_id=last, auto_previous_response_id=True)
        print(result.final_output)
        last = result.last_response_id


async def conversation() -> None:
    made = await AsyncOpenAI().conversations.create()
    for turn in TURNS:
        print((await Runner.run(agent(), turn, conversation_id=made.id)).final_output)


async def session() -> None:
    session = OpenAIConversationsSession()
    for turn in TURNS:
        print((await Runner.run(agent(), turn, session=session)).final_output)
    kept = await session.get_items()
    print("kept:", *sorted({str(item.get("type")) for item in kept}))
    assert (await session.pop_item())["role"] == "assistant"
    await session.clear_session()
    assert await session.get_items() == []


async def by_hand() -> None:
    """Nothing is kept on the server: thoughts come encrypted, and go back so."""
    said = []
    for turn in TURNS:
        said.append({"role": "user", "content": turn})
        result = await Runner.run(agent(store=False, response_include=["reasoning.encrypted_content"]), said)
        print(result.final_output)
        said = result.to_input_list()


async def main() -> None:
    for name in sys.argv[2:]:
        print(f"-- {name}")
        await globals()[name]()


asyncio.run(main())
