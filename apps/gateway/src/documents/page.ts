import { calls, errorTable, serverEvents, SystemNote, type Call, type Limits } from '@parley/contracts';
import { z } from 'zod';
import { fileRoutes } from './files.js';
import { namedShapes } from './named-shapes.js';

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};
const escape = (text: unknown): string => String(text).replace(/[&<>"']/g, (character) => entities[character]!);
const code = (text: unknown): string => `<code>${escape(text)}</code>`;
const row = (...cells: string[]): string => `<tr>${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`;
const table = (heads: readonly string[], rows: readonly string[]): string =>
  `<div class="wide"><table><thead><tr>${heads.map((head) => `<th>${escape(head)}</th>`).join('')}</tr></thead><tbody>${rows.join('')}</tbody></table></div>`;

const shapes: readonly [string, z.ZodType][] = Object.entries({ ...namedShapes, SystemNote }).toSorted(
  ([one], [other]) => one.localeCompare(other),
);
const nameOf = new Map<z.ZodType, string>(shapes.map(([name, schema]) => [schema, name]));

/** A schema in readable form, `{field?: type}`, as HTML. Named shapes are links. */
function shape(schema: z.ZodType, named = true): string {
  const name = nameOf.get(schema);
  if (named && name !== undefined) return `<a href="#shape-${name}">${name}</a>`;
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault) return shape(schema.unwrap() as z.ZodType);
  if (schema instanceof z.ZodArray) return `${shape(schema.element as z.ZodType)}[]`;
  if (schema instanceof z.ZodUnion) return (schema.options as z.ZodType[]).map((option) => shape(option)).join(' | ');
  if (schema instanceof z.ZodEnum) return schema.options.map((option) => escape(`'${option}'`)).join(' | ');
  if (schema instanceof z.ZodLiteral) return escape(JSON.stringify([...schema.values][0]));
  if (schema instanceof z.ZodRecord)
    return `{[${shape(schema.keyType as z.ZodType)}]: ${shape(schema.valueType as z.ZodType)}}`;
  if (schema instanceof z.ZodObject) return objectShape(schema);
  return escape(schema.def.type);
}

function objectShape(schema: z.ZodObject): string {
  const fields = Object.entries(schema.shape as Record<string, z.ZodType>).map(
    ([name, field]) => `${escape(name)}${field.safeParse(undefined).success ? '?' : ''}: ${shape(field)}`,
  );
  return `{${fields.join(', ')}}`;
}
const shapeCode = (schema: z.ZodType, named = true): string => `<code>${shape(schema, named)}</code>`;

const namedCalls = Object.entries(calls as Record<string, Call>);

const callRows = namedCalls.map(([name, { summary, auth, socket, http, input, output }]) =>
  row(
    `<a id="call-${escape(name)}"></a>${code(name)}<p>${escape(summary)}${auth === 'session' ? '' : ' <em>(open)</em>'}</p>`,
    [
      socket && code(socket),
      http && code(`${http.method} /api/v1${http.path}`),
      http?.query && code(`?${Object.keys(http.query).join('&')}`),
    ]
      .filter(Boolean)
      .map((line) => `<span>${line}</span>`)
      .join('<br>'),
    shapeCode(input),
    shapeCode(output),
  ),
);
const eventRows = Object.entries(serverEvents as Record<string, z.ZodType>).map(([name, payload]) =>
  row(code(name), shapeCode(payload)),
);
const shapeRows = shapes.map(([name, schema]) =>
  row(`<a id="shape-${name}"></a>${code(name)}`, shapeCode(schema, false)),
);
const errorRows = Object.entries(errorTable).map(([name, { status, retry, title }]) =>
  row(`<a id="error-${escape(name)}"></a>${code(name)}`, String(status), retry ? 'yes' : 'no', escape(title)),
);
const fileRows = fileRoutes.map(({ method, path, summary, headers = [] }) =>
  row(code(`${method.toUpperCase()} ${path}`), escape(summary), headers.map(code).join(' ')),
);

const style = `
:root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:96rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;width:100%}td,th{border-top:1px solid #8886;padding:.5rem;text-align:left;vertical-align:top}
code{font:.85em ui-monospace,monospace;overflow-wrap:anywhere}pre{overflow:auto;padding:1rem;border:1px solid #8886}.wide{overflow:auto}td span{white-space:nowrap}td:first-child{min-width:14rem}td:last-child{min-width:16rem}td p{margin:.25rem 0 0}`;

const example = `import { io } from 'socket.io-client';

const answer = await fetch('/api/v1/auth/guest', { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' });
const { accessToken } = await answer.json();
const socket = io({ auth: { token: accessToken } });
socket.on('message:new', ({ message }) => console.log(message.body));
const ack = await socket.timeout(12000).emitWithAck('message:send', { conversationId, clientId: crypto.randomUUID(), body: 'hello' });`;

/** The interface for people, on one self-contained page. */
export const page = (limits: Limits): string => `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Parley: the interface</title><style>${style}</style></head>
<body><h1>Parley: the interface</h1>
<p>HTTP under <code>/api/v1</code>, Socket.IO under <code>/socket.io</code>, one port. For machines: <a href="/api/openapi.json">OpenAPI</a> and <a href="/api/asyncapi.json">AsyncAPI</a>.</p>
<p>HTTP wants <code>Authorization: Bearer &lt;accessToken&gt;</code>, sockets <code>auth: {token}</code>. A socket call is answered once, through its acknowledgement: <code>{ok: true, data, traceId}</code> or
<code>{ok: false, error: {code, message, details?, retryAfterMs?, traceId?}}</code>; without an acknowledgement callback it is made, and its outcome told to nobody. HTTP errors are <code>application/problem+json</code> with the same fields.</p>
<pre>${escape(example)}</pre>
<h2>Calls</h2>${table(['call', 'socket event · HTTP', 'input', 'answer'], callRows)}
<h2>Files</h2>${table(['HTTP', 'what it does', 'headers'], fileRows)}
<h2>Events from the server</h2>${table(['event', 'payload'], eventRows)}
<h2>Shapes</h2>${table(['shape', 'fields'], shapeRows)}
<h2>Errors</h2>${table(['code', 'HTTP status', 'retry', 'when'], errorRows)}
<h2>Limits</h2>${table(
  ['limit', 'value'],
  Object.entries(limits).map(([name, value]) => row(code(name), escape(value))),
)}
</body></html>
`;
