import os
import sys

from llama_index.core.llms import ChatMessage
from llama_index.core.tools import FunctionTool
from llama_index.llms.openai import OpenAI, OpenAIResponses


def get_weather(city: str) -> str:
    """The weather of a city."""
    print(f"tool: {city}")
    return "21 degrees"


kind = OpenAIResponses if sys.argv[1] == "responses" else OpenAI
# The name has to be one of OpenAI's: it is looked up for its context window. OPENAI_BASE_URL alone is not read.
model = kind(model=sys.argv[2], api_base=os.environ["OPENAI_BASE_URL"])
tool = FunctionTool.from_defaults(get_weather)
answer = model.predict_and_call([tool], user_msg=ChatMessage(role="user", content=sys.argv[3]))
print(answer.response)
print(model.chat([ChatMessage(role="user", content="[[say Bye.]]")]).message.content)
