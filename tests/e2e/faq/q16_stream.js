// FAQ 16: a stream with the Node SDK.
const { OpenAI } = require('openai');

const openai = new OpenAI();

async function streamChat(messages) {
  const stream = await openai.chat.completions.create({
    model: 'gpt-4o',
    messages: messages,
    stream: true,
  });

  for await (const chunk of stream) {
    const content = chunk.choices[0]?.delta?.content || '';
    process.stdout.write(content + '|');
  }
}

streamChat([{ role: 'user', content: '请原样重复：你好，世界！' }]);
