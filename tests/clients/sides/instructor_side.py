import sys

import instructor
from pydantic import BaseModel


class Person(BaseModel):
    name: str
    age: int


mode = instructor.Mode.RESPONSES_TOOLS if sys.argv[1] == "responses" else instructor.Mode.TOOLS
client = instructor.from_provider(f"openai/{sys.argv[2]}", mode=mode)
print(client.create(response_model=Person, messages=[{"role": "user", "content": sys.argv[3]}]))
