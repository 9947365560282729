import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateObject, generateText, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";

const [kind, name, prompt] = process.argv.slice(2);
const settings = { baseURL: process.env.OPENAI_BASE_URL, apiKey: process.env.OPENAI_API_KEY };
const openai = createOpenAI(settings);
const model = {
  responses: () => openai(name), // what the provider is for by itself
  chat: () => openai.chat(name),
  compatible: () =>
    createOpenAICompatible({ name: "waystation", includeUsage: true, supportsStructuredOutputs: true, ...settings })(name),
}[kind]();
const getWeather = tool({
  description: "The weather of a city.",
  inputSchema: z.object({ city: z.string() }),
  execute: ({ city }) => {
    console.log(`tool: ${city}`);
    return "21 degrees";
  },
});
const { text } = await generateText({ model, prompt, tools: { get_weather: getWeather }, stopWhen: stepCountIs(5) });
console.log(text);
const kinds = new Set();
let streamed = "";
const stream = streamText({ model, prompt, tools: { get_weather: getWeather }, stopWhen: stepCountIs(5) });
for await (const part of stream.fullStream) {
  if (part.type === "error") throw part.error;
  kinds.add(part.type);
  if (part.type === "text-delta") streamed += part.text;
}
console.log("streamed:", streamed, kinds.has("tool-input-delta"), (await stream.totalUsage).totalTokens > 0);
const schema = z.object({ name: z.string(), age: z.number() });
const { object } = await generateObject({ model, schema, prompt: 'Ann is 41. [[say {"name": "Ann", "age": 41}]]' });
console.log("object:", object.name, object.age);
