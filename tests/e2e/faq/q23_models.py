"""FAQ 23: the first model of a preferred list that is there."""

from openai import OpenAI

client = OpenAI()


def first_available(preferred_models):
    models = client.models.list()
    available_models = [model.id for model in models.data]

    for model in preferred_models:
        if model in available_models:
            return model

    raise Exception("No preferred model available")


print("use:", first_available(["gpt-6", "gpt-5", "gpt-4.1", "gpt-4o"]))
try:
    first_available(["gpt-6"])
except Exception as e:
    print("failed:", e)
