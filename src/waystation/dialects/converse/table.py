"""The fate of each field of an Ask in Converse's dialect."""

from waystation.dialects.mapping import Fate, Ignored, Refused, Sent, Written

TABLE: dict[str, Fate] = {
    "stream": Written("the URL"),
    "turns": Written("messages.py: messages and system"),
    "prompt": Refused("This model answers chats. Ask for chat completions instead of completions."),
    "said": Written("request.py: the last message, with models that go on from it"),
    "tools": Written("tools.py: toolConfig; custom tools are refused, strict is sent to models that know it"),
    "tool_choice": Written("tools.py: toolChoice"),
    "parallel_tool_calls": Ignored(neutral=(True,)),  # there is no switch
    "format": Written("request.py: outputConfig.textFormat; a form without a schema is ignored"),
    "output_tokens_max": Sent("maxTokens"),
    "temperature": Written("request.py: at most 1 is taken; not together with thinking, nor by Claude after 4.6"),
    "top_p": Written("request.py: as temperature; of both, Claude from 4.1 on gets the temperature"),
    "top_k": Written("request.py: by Claude and Nova alone, under names of their own"),
    "stops": Sent("stopSequences"),
    "seed": Ignored(),
    "frequency_penalty": Ignored(),
    "presence_penalty": Ignored(),
    "logit_bias": Ignored(),
    "logprobs": Ignored(),
    "choices": Refused("This model gives one choice. Ask once for each."),
    "reasoning_effort": Written("thinking.py"),
    "reasoning_tokens_max": Written("thinking.py"),
    "verbosity": Ignored(),
    "end_user": Ignored(),
    "service_tier": Written("request.py: serviceTier"),
    "metadata": Ignored(),  # requestMetadata would write it into our own account's logs
    "extra": Written("mapping.py: all ignored by name"),
}
