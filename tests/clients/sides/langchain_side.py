import sys

from langchain_core.messages import HumanMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI


@tool
def get_weather(city: str) -> str:
    """The weather of a city."""
    print(f"tool: {city}")
    return "21 degrees"


model = ChatOpenAI(model=sys.argv[2], use_responses_api=sys.argv[1] == "responses")
forecaster = model.bind_tools([get_weather])
messages = [HumanMessage(sys.argv[3])]
answer = forecaster.invoke(messages)
while answer.tool_calls:
    messages += [answer, *(get_weather.invoke(call) for call in answer.tool_calls)]
    answer = forecaster.invoke(messages)
print(answer.text)
print("streamed:", "".join(chunk.text for chunk in model.stream("[[say Bye.]]")))
