/** A load generator: a process with many clients that carries out the harness's commands. */
import { Agent, get } from 'node:http';
import { pid } from 'node:process';
import type { Calls, Connecting, Opened, Order, Pace, Recorded } from './load.js';
import { nowUs, Wire } from './wire.js';

const LATE_US = 10e6;
const body = 'The quick brown fox jumps over the lazy dog, and then it rests.';
const agent = new Agent({ keepAlive: true });

let clients: Wire[] = [];
let opening: Connecting;
let recording = false;
let sending = false;
let counter = 0;
let inFlight = 0;
let [answerMs, receivedMs] = [[] as number[], [] as number[]];
let [failed, received] = [0, 0];

/** Connects one client per token, to the addresses in turn. */
async function open(order: Connecting): Promise<Opened> {
  opening = order;
  const made: Wire[] = [];
  let lost = 0;
  const queue = order.tokens.entries();
  await Promise.all(
    Array.from({ length: order.atOnce }, async () => {
      for (const [index, token] of queue) {
        try {
          made[index] = await Wire.open(order.urls[index % order.urls.length]!, token);
          made[index].onEvent = (frame) => heard(frame, index);
        } catch {
          lost += 1;
        }
      }
    }),
  );
  clients = made;
  return { opened: order.tokens.length - lost, failed: lost };
}

/** The clientId contains the sender and the time of sending, so that a recipient can compute the latency. */
const stamp = (client: number): string => `${pid}.${client}.${Math.round(nowUs())}.${(counter += 1)}`;

function heard(frame: string, client: number): void {
  if (!recording) return;
  const at = frame.startsWith('42["message:new"') ? frame.indexOf('"clientId":"') + 12 : 0;
  if (at < 12) return void (received += 1);
  const [process, sender, sent] = frame.slice(at, frame.indexOf('"', at)).split('.');
  if (Number(process) === pid && Number(sender) === client) return;
  received += 1;
  receivedMs.push((nowUs() - Number(sent)) / 1e3);
}

function send({ client, event, payload }: Calls): Promise<void> {
  const begun = nowUs();
  inFlight += 1;
  return new Promise((resolve) => {
    const done = (ok: boolean): void => {
      inFlight -= 1;
      const us = nowUs() - begun;
      if (recording) {
        if (ok && us < LATE_US) answerMs.push(us / 1e3);
        else failed += 1;
      }
      resolve();
    };
    if (event.startsWith('GET ')) return fetchPath(event.slice(4), opening.tokens[client]!, client, done);
    const wire = clients[client];
    if (!wire) return done(false);
    const text =
      event === 'message:send'
        ? JSON.stringify({ ...payload, clientId: stamp(client), body })
        : JSON.stringify(payload);
    wire.call(event, text, (frame, at) => done(frame !== undefined && frame.startsWith('[{"ok":true', at)));
  });
}

function fetchPath(path: string, token: string, client: number, done: (ok: boolean) => void): void {
  const url = `${opening.urls[client % opening.urls.length]!}/api/v1${path}`;
  get(url, { agent, headers: { authorization: `Bearer ${token}` } }, (response) =>
    response.resume().once('end', () => done(response.statusCode === 200)),
  ).once('error', () => done(false));
}

function start(calls: readonly Calls[], pace: Pace): void {
  sending = true;
  if ('outstanding' in pace) {
    const loop = async (one: Calls): Promise<void> => {
      while (sending) await send(one);
    };
    for (const one of calls) for (let n = 0; n < pace.outstanding; n++) void loop(one);
    return;
  }
  const begun = performance.now();
  let sent = 0;
  const timer = setInterval(() => {
    if (!sending) return clearInterval(timer);
    for (const due = ((performance.now() - begun) / 1000) * pace.perSecond; sent < due; sent++)
      void send(calls[(sent * 7919) % calls.length]!);
  }, 2);
}

/** Resolves when no call is unanswered, or the time limit is over. */
async function halt(): Promise<void> {
  sending = false;
  for (let wait = 0; inFlight > 0 && wait < 220; wait++) await new Promise((resolve) => setTimeout(resolve, 50));
  inFlight = 0;
}

function rest(): Recorded {
  recording = false;
  return {
    answered: answerMs.length,
    failed,
    received,
    answerMs: Float64Array.from(answerMs),
    receivedMs: Float64Array.from(receivedMs),
  };
}

async function carryOut(order: Order): Promise<unknown> {
  switch (order.do) {
    case 'open':
      return open(order);
    case 'ask':
      return clients[order.client]!.ask(order.event, order.payload);
    case 'start':
      return start(order.calls, order.pace);
    case 'record':
      return void ([answerMs, receivedMs, failed, received, recording] = [[], [], 0, 0, true]);
    case 'rest':
      return rest();
    case 'halt':
      return halt();
    case 'drop':
      return clients.forEach((client) => client.drop());
  }
}

process.on('message', ({ id, order }: { id: number; order: Order }) => {
  void carryOut(order).then(
    (result) => process.send!({ id, result }),
    (error: unknown) => process.send!({ id, error: String(error) }),
  );
});
process.on('disconnect', () => process.exit(0));
