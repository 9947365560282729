// FAQ 17: many calls with bounded concurrency, with the Node SDK.
const { OpenAI } = require('openai');

const openai = new OpenAI();

async function batchProcess(requests, concurrencyLimit = 5) {
  const results = [];

  for (let i = 0; i < requests.length; i += concurrencyLimit) {
    const batch = requests.slice(i, i + concurrencyLimit);
    const promises = batch.map((req) => openai.chat.completions.create(req));
    const batchResults = await Promise.allSettled(promises);
    results.push(...batchResults);

    if (i + concurrencyLimit < requests.length) {
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  }

  return results;
}

const requests = [1, 2, 3].map((n) => ({
  model: 'gpt-4o',
  messages: [{ role: 'user', content: `${n} + 1 = ?` }],
  max_tokens: 20,
}));
requests.push({ model: 'no-such-model', messages: [{ role: 'user', content: 'hello' }] });

batchProcess(requests, 2).then((results) => {
  for (const result of results) {
    if (result.status === 'fulfilled') {
      console.log('answer:', result.value.choices[0].message.content);
    } else {
      console.log('failed:', result.reason.status, result.reason.code);
    }
  }
});
