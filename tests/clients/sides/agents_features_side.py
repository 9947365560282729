"""What the Agents SDK does beyond a loop of tools, a feature for each argument after the model."""

import asyncio
import sys

from agents import Agent, ModelSettings, Runner, function_tool, set_tracing_disabled
from pydantic import BaseModel

MODEL = sys.argv[1]
WORK = '[[call get_weather {"city": "Paris"}]] [[say It is mild.]]'
set_tracing_disabled(True)  # traces would go to OpenAI


class Person(BaseModel):
    name: str
    age: int


@function_tool
def get_weather(city: str) -> str:
    """The weather of a city."""
    print(f"tool: {city}")
    return "21 degrees"


def forecaster(**settings: object) -> Agent:
    given = ModelSettings(**settings)
    return Agent(name="Forecaster", instructions="Be brief.", model=MODEL, tools=[get_weather], model_settings=given)


async def handoff() -> None:
    triage = Agent(name="Triage", instructions="Hand over.", model=MODEL, handoffs=[forecaster()])
    work = f"How is it? [[call transfer_to_forecaster {{}}]] {WORK}"
    result = await Runner.run(triage, work)
    print(result.last_agent.name, "said:", result.final_output)


async def streamed() -> None:
    result = Runner.run_streamed(forecaster(), f"How is it? {WORK}")
    seen: list[str] = []
    async for event in result.stream_events():
        if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
            seen.append(event.data.delta)
        elif event.type == "run_item_stream_event" and event.name in ("tool_called", "tool_output"):
            print(event.name)
    print("".join(seen), "/", result.final_output)


async def structured() -> None:
    agent = Agent(name="Reader", instructions="Read.", model=MODEL, output_type=Person)
    print(repr((await Runner.run(agent, 'Ann is 41. [[say {"name": "Ann", "age": 41}]]')).final_output))


async def background() -> None:
    result = Runner.run_streamed(forecaster(extra_args={"background": True}), f"How is it? {WORK}")
    kinds = [event.data.type async for event in result.stream_events() if event.type == "raw_response_event"]
    print(kinds.count("response.queued"), kinds.count("response.completed"), result.final_output)


async def tool_choice() -> None:
    agent = forecaster(tool_choice="get_weather", parallel_tool_calls=False, truncation="auto", max_tokens=500)
    print((await Runner.run(agent, f"How is it? {WORK}")).final_output)


async def main() -> None:
    for name in sys.argv[2:]:
        print(f"-- {name}")
        await globals()[name]()


asyncio.run(main())
