// A pull consumer in plain JavaScript: pulls until the queue is empty, acknowledges, prints the bodies.
// Arguments: base URL, account, token, queue id.
const [base, account, token, queue] = process.argv.slice(2);
const url = `${base}/accounts/${account}/queues/${queue}/messages`;

async function post(path, body) {
  const answer = await fetch(url + path, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const envelope = await answer.json();
  if (!envelope.success) throw new Error(JSON.stringify(envelope.errors));
  return envelope.result;
}

const bodies = [];
for (;;) {
  const { messages } = await post("/pull", { batch_size: 2, visibility_timeout_ms: 10000 });
  if (messages.length === 0) break;
  const acks = [];
  const retries = [];
  for (const message of messages) {
    const text = message.metadata["CF-Content-Type"] === "json" ? atob(message.body) : message.body;
    if (text.includes("again") && message.attempts === 1) {
      retries.push({ lease_id: message.lease_id, delay_seconds: 0 });
      continue;
    }
    bodies.push([text, message.attempts]);
    acks.push({ lease_id: message.lease_id });
  }
  const done = await post("/ack", { acks, retries });
  if (done.ackCount !== acks.length || done.retryCount !== retries.length) throw new Error(JSON.stringify(done));
}
console.log(JSON.stringify(bodies));
