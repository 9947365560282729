import sys

from agents import Agent, Runner, function_tool, set_default_openai_api, set_tracing_disabled

set_tracing_disabled(True)  # traces would go to OpenAI
set_default_openai_api(sys.argv[1])  # "responses" or "chat_completions"


@function_tool
def get_weather(city: str) -> str:
    """The weather of a city."""
    print(f"tool: {city}")
    return "21 degrees"


agent = Agent(name="Forecaster", instructions="Be brief.", model=sys.argv[2], tools=[get_weather])
print(Runner.run_sync(agent, sys.argv[3]).final_output)
