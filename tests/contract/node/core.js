// The official Node SDK, unchanged: chat, stream, parse, tools, embeddings, models, typed errors, leaving. One line a promise.
const assert = require('node:assert/strict');
const { OpenAI, AuthenticationError, BadRequestError, NotFoundError } = require('openai');
const { zodResponseFormat } = require('openai/helpers/zod');
const { z } = require('zod');

const client = new OpenAI({ maxRetries: 0 });
const model = 'gpt-4o-mini';
const hello = [{ role: 'user', content: 'Say hello in one short sentence.' }];
const weather = {
  type: 'function',
  function: {
    name: 'get_weather',
    description: 'The weather in a city now',
    parameters: {
      type: 'object',
      properties: { city: { type: 'string' } },
      required: ['city'],
      additionalProperties: false,
    },
  },
};

const promises = {
  async 'chat answers'() {
    const answer = await client.chat.completions.create({ model, messages: hello, max_tokens: 40, temperature: 0 });
    assert.match(answer.choices[0].message.content, /hello/i);
    assert.equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens);
    assert.match(answer._request_id, /^req_/);
  },
  async 'stream comes in pieces'() {
    const stream = await client.chat.completions.create({
      model,
      messages: hello,
      max_tokens: 40,
      temperature: 0,
      stream: true,
      stream_options: { include_usage: true },
    });
    let text = '';
    let pieces = 0;
    let usage = null;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta?.content || '';
      pieces += 1;
      usage = chunk.usage || usage;
    }
    assert.match(text, /hello/i);
    assert.ok(pieces >= 4);
    assert.ok(usage.completion_tokens > 0);
  },
  async 'parse gives an object of the schema'() {
    const Person = z.object({ name: z.string(), age: z.number().int() });
    const answer = await client.chat.completions.parse({
      model,
      messages: [{ role: 'user', content: 'Zhang Wei is 31 years old.' }],
      response_format: zodResponseFormat(Person, 'person'),
      temperature: 0,
      max_tokens: 60,
    });
    assert.equal(answer.choices[0].message.parsed.age, 31);
  },
  async 'required tool is called'() {
    const answer = await client.chat.completions.create({
      model,
      messages: [{ role: 'user', content: 'What is the weather in Paris?' }],
      tools: [weather],
      tool_choice: 'required',
      temperature: 0,
      max_tokens: 60,
    });
    const call = answer.choices[0].message.tool_calls[0];
    assert.equal(call.function.name, 'get_weather');
    assert.match(JSON.parse(call.function.arguments).city, /paris/i);
  },
  async 'streamed tool call is put together by the SDK'() {
    const runner = client.chat.completions.stream({
      model,
      messages: [{ role: 'user', content: 'What is the weather in Paris?' }],
      tools: [weather],
      tool_choice: { type: 'function', function: { name: 'get_weather' } },
      temperature: 0,
      max_tokens: 60,
    });
    const final = await runner.finalChatCompletion();
    assert.match(JSON.parse(final.choices[0].message.tool_calls[0].function.arguments).city, /paris/i);
  },
  async 'embeddings are numbers'() {
    const answer = await client.embeddings.create({ model: 'text-embedding-3-small', input: ['one', '二'] });
    assert.equal(answer.data.length, 2);
    assert.equal(answer.data[0].embedding.length, 384);
    const length = Math.hypot(...answer.data[1].embedding);
    assert.ok(Math.abs(length - 1) < 1e-3, String(length));
  },
  async 'models are listed and retrieved'() {
    const names = [];
    for await (const listed of client.models.list()) names.push(listed.id);
    assert.ok(names.includes('gpt-4o'));
    assert.equal((await client.models.retrieve('gpt-4o')).id, 'gpt-4o');
  },
  async 'errors are typed'() {
    await assert.rejects(client.chat.completions.create({ model: 'gpt-1000', messages: hello }), (error) => {
      assert.ok(error instanceof NotFoundError);
      assert.equal(error.code, 'model_not_found');
      return true;
    });
    await assert.rejects(client.chat.completions.create({ model, messages: hello, temperature: 3 }), (error) => {
      assert.ok(error instanceof BadRequestError);
      assert.equal(error.param, 'temperature');
      return true;
    });
    const wrong = new OpenAI({ apiKey: 'sk-' + 'x'.repeat(48), maxRetries: 0 });
    await assert.rejects(wrong.models.list(), (error) => {
      assert.ok(error instanceof AuthenticationError);
      assert.equal(error.code, 'invalid_api_key');
      assert.match(error.requestID, /^req_/);
      return true;
    });
  },
  async 'leaving a stream frees the model'() {
    for (let round = 0; round < 5; round += 1) {
      const stream = await client.chat.completions.create({
        model,
        messages: [{ role: 'user', content: 'Count from 1 to 2000.' }],
        max_tokens: 3000,
        stream: true,
      });
      for await (const _ of stream) break;
    }
    const began = Date.now();
    await client.chat.completions.create({ model, messages: hello, max_tokens: 4 });
    assert.ok(Date.now() - began < 10000);
  },
};

(async () => {
  let failed = 0;
  for (const [name, promise] of Object.entries(promises)) {
    try {
      await promise();
      console.log('kept:', name);
    } catch (error) {
      failed += 1;
      console.log('broken:', name, error);
    }
  }
  process.exit(failed ? 1 : 0);
})();
