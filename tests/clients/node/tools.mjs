import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";

const [kind, name, prompt] = process.argv.slice(2);
const settings = { baseURL: process.env.OPENAI_BASE_URL, apiKey: process.env.OPENAI_API_KEY };
const openai = createOpenAI(settings);
const model = {
  responses: () => openai(name), // what the provider is for by itself
  chat: () => openai.chat(name),
  compatible: () => createOpenAICompatible({ name: "waystation", ...settings })(name),
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
let streamed = "";
for await (const piece of streamText({ model, prompt: "[[say Bye.]]" }).textStream) streamed += piece;
console.log("streamed:", streamed);
