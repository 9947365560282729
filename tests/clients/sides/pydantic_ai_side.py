import sys

from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel

kind = OpenAIResponsesModel if sys.argv[1] == "responses" else OpenAIChatModel
agent = Agent(kind(sys.argv[2]), instructions="Be brief.")


@agent.tool_plain
def get_weather(city: str) -> str:
    """The weather of a city."""
    print(f"tool: {city}")
    return "21 degrees"


print(agent.run_sync(sys.argv[3]).output)
