// FAQ 14: a chat answer with the Node SDK.
const { OpenAI } = require('openai');

const openai = new OpenAI({
  apiKey: process.env.OPENAI_API_KEY,
});

async function chat() {
  try {
    const completion = await openai.chat.completions.create({
      messages: [
        { role: 'system', content: '你是一个回答简短的AI助手' },
        { role: 'user', content: '用一句话解释什么是深度学习' },
      ],
      model: 'gpt-4o',
      max_tokens: 500,
      temperature: 0.7,
    });

    console.log('answer:', completion.choices[0].message.content);
  } catch (error) {
    console.error('failed:', error);
  }
}

chat();
