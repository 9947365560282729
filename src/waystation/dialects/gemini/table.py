"""The fate of each field of an Ask in Gemini's dialect."""

from waystation.dialects.mapping import Fate, Ignored, Refused, Sent, Written

TABLE: dict[str, Fate] = {
    "stream": Written("the URL"),
    "turns": Written("contents.py: contents and systemInstruction"),
    "prompt": Refused("This model answers chats. Ask for chat completions instead of completions."),
    "said": Written("the provider refuses: no prefill is documented"),
    "tools": Written("request.py: functionDeclarations with parametersJsonSchema; custom tools are refused"),
    "tool_choice": Written("request.py: functionCallingConfig"),
    "parallel_tool_calls": Ignored(neutral=(True,)),  # there is no switch
    "format": Written("request.py: responseMimeType and responseJsonSchema"),
    "output_tokens_max": Sent("maxOutputTokens"),  # thoughts are part of it, as in OpenAI's max_completion_tokens
    "temperature": Sent("temperature"),
    "top_p": Sent("topP"),
    "top_k": Sent("topK"),
    "stops": Written("request.py: stopSequences, of which five are taken"),
    "seed": Written("request.py: 31 bits are taken"),
    "frequency_penalty": Written("request.py: 0 is left out, since models without penalties refuse even that"),
    "presence_penalty": Written("request.py: as frequency_penalty"),
    "logit_bias": Ignored(),
    "logprobs": Ignored(),
    "choices": Sent("candidateCount"),
    "reasoning_effort": Written("family.py: thinkingConfig"),
    "reasoning_tokens_max": Written("family.py: thinkingConfig"),
    "verbosity": Ignored(),
    "end_user": Ignored(),
    "service_tier": Written("request.py: serviceTier"),
    "metadata": Ignored(),
    "extra": Written("mapping.py: all ignored by name"),
}
