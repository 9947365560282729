import os
import sys

from llama_index.core.llms import ChatMessage
from llama_index.llms.openai import OpenAI, OpenAIResponses

kind = OpenAIResponses if sys.argv[1] == "responses" else OpenAI
model = kind(model=sys.argv[2], api_base=os.environ["OPENAI_BASE_URL"])
print(model.chat([ChatMessage(role="user", content=sys.argv[3])]).message.content)
