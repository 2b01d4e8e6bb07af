import { calls, errorTable, serverEvents, SystemNote, type Call, type CallName, type Limits } from '@parley/contracts';
import { z } from 'zod';
import { exampleEvent, exampleInput, exampleOutput, sampleIds } from './examples.js';
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
/** A text with code between backticks. */
const prose = (text: string): string => escape(text).replaceAll(/`([^`]+)`/g, '<code>$1</code>');
const row = (...cells: string[]): string => `<tr>${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`;
const table = (heads: readonly string[], rows: readonly string[]): string =>
  `<div class="wide" tabindex="0"><table><thead><tr>${heads.map((head) => `<th>${escape(head)}</th>`).join('')}</tr></thead><tbody>${rows.join('')}</tbody></table></div>`;

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

const namedCalls = Object.entries(calls) as [CallName, Call][];
const json = (value: unknown): string => JSON.stringify(value, null, 2);
const pre = (text: string): string => `<pre tabindex="0">${escape(text)}</pre>`;
const facts = (rows: readonly (readonly [string, string | undefined])[]): string =>
  `<dl>${rows.map(([term, value]) => (value === undefined ? '' : `<dt>${term}</dt><dd>${value}</dd>`)).join('')}</dl>`;
const entry = (id: string, title: string, content: string): string =>
  `<article id="${escape(id)}" data-entry tabindex="-1"><h3>${escape(title)}</h3>${content}</article>`;

/** How a program makes the call with its example, over each interface. */
function exampleCode(name: CallName, { http, socket, auth }: Call): string {
  const input = exampleInput(name);
  const parts: string[] = [];
  if (http) {
    const rest = new Map(Object.entries(input));
    const take = (field: string) => {
      const value = rest.get(field);
      rest.delete(field);
      return encodeURIComponent(Array.isArray(value) ? value.join() : String(value));
    };
    const path = http.path.replaceAll(/:(\w+)/g, (_, field: string) => take(field));
    const query = Object.keys(http.query ?? {})
      .filter((field) => rest.has(field))
      .map((field) => `${field}=${take(field)}`);
    parts.push(
      [
        `curl -X ${http.method}`,
        ...(auth === 'open' ? [] : ['-H "Authorization: Bearer $TOKEN"']),
        ...(rest.size > 0
          ? [`-H 'Content-Type: application/json' -d '${JSON.stringify(Object.fromEntries(rest))}'`]
          : []),
        `"$URL/api/v1${path}${query.length > 0 ? `?${query.join('&')}` : ''}"`,
      ].join(' '),
    );
  }
  if (socket !== undefined) parts.push(`await socket.timeout(12_000).emitWithAck('${socket}', ${json(input)});`);
  const answer = http?.status[0] === 204 ? '204, without a body' : json(exampleOutput(name));
  return `<details class="example"><summary>Example</summary>${parts.map(pre).join('')}<p>Answer</p>${pre(answer)}</details>`;
}

/** A form that makes the call. Nothing but the page's script submits it. */
function trial(name: CallName, { http, socket }: Call): string {
  const route = http && { method: http.method, path: http.path, query: Object.keys(http.query ?? {}) };
  return [
    `<details class="try"><summary>Try it</summary><form data-call="${escape(name)}">`,
    `<label>Input of ${escape(name)} (JSON)<textarea spellcheck="false">${escape(json(exampleInput(name)))}</textarea></label>`,
    route ? `<button type="button" data-http="${escape(JSON.stringify(route))}">Send over HTTP</button>` : '',
    socket === undefined ? '' : `<button type="button" data-socket="${escape(socket)}">Send over the socket</button>`,
    `<output aria-live="polite" tabindex="0"></output></form></details>`,
  ].join('');
}

const callEntry = (name: CallName, call: Call): string => {
  const { summary, auth, socket, http, input, output } = call;
  const query = http?.query && Object.keys(http.query).length > 0 ? ` ?${Object.keys(http.query).join('&')}` : '';
  return entry(
    `call-${name}`,
    name,
    `<p>${prose(summary)}${auth === 'session' ? '' : ' <em>(open)</em>'}</p>${facts([
      ['Socket', socket && code(socket)],
      ['HTTP', http && code(`${http.method} /api/v1${http.path}${query}`)],
      ['Input', shapeCode(input)],
      ['Answer', shapeCode(output)],
    ])}${exampleCode(name, call)}${trial(name, call)}`,
  );
};
const groupOf = (name: string): string => name.split('.')[0]!;
const groups = [...Map.groupBy(namedCalls, ([name]) => groupOf(name))];
const events = Object.entries(serverEvents as Record<string, z.ZodType>);
const eventEntry = (name: string, payload: z.ZodType): string =>
  entry(
    `event-${name}`,
    name,
    `${facts([['Payload', shapeCode(payload)]])}<details class="example"><summary>Example</summary>${pre(json(exampleEvent(payload)))}</details>`,
  );

/** One group of links of the navigation. */
const links = (title: string, items: readonly (readonly [id: string, text: string])[]): string =>
  `<details><summary>${escape(title)}</summary><ul>${items
    .map(([id, text]) => `<li><a href="#${escape(id)}">${escape(text)}</a></li>`)
    .join('')}</ul></details>`;
const sections = { files: 'Files', shapes: 'Shapes', errors: 'Errors', limits: 'Limits' };
const navigation = [
  ...groups.map(([group, members]) =>
    links(
      group,
      members.map(([name]) => [`call-${name}`, name]),
    ),
  ),
  links(
    'Events from the server',
    events.map(([name]) => [`event-${name}`, name]),
  ),
  ...Object.entries(sections).map(([id, title]) => `<p><a href="#${id}">${title}</a></p>`),
].join('');
const shapeRows = shapes.map(([name, schema]) =>
  row(`<a id="shape-${name}"></a>${code(name)}`, shapeCode(schema, false)),
);
const errorRows = Object.entries(errorTable).map(([name, { status, retry, title }]) =>
  row(`<a id="error-${escape(name)}"></a>${code(name)}`, String(status), retry ? 'yes' : 'no', escape(title)),
);
const fileRows = fileRoutes.map(({ method, path, summary, headers = [] }) =>
  row(code(`${method.toUpperCase()} ${path}`), prose(summary), headers.map(code).join(' ')),
);

const example = `import { io } from 'socket.io-client';

const answer = await fetch('/api/v1/auth/guest', { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' });
const { accessToken } = await answer.json();
const socket = io({ auth: { token: accessToken } });
socket.on('message:new', ({ message }) => console.log(message.body));
const ack = await socket.timeout(12000).emitWithAck('message:send', { conversationId, clientId: crypto.randomUUID(), body: 'hello' });`;

/**
 * The interface for people: one page with navigation, search, examples, and forms that make calls. Complete without its
 * script. Its files and links are relative, so it works under any path.
 */
export const page = (limits: Limits): string => `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Parley: the interface</title>
<link rel="stylesheet" href="docs/style.css"><link rel="icon" href="../favicon.svg"><script type="module" src="docs/script.js"></script></head>
<body><a class="skip" href="#content">Skip to the calls</a><div class="page"><div class="side"><header><h1>Parley: the interface</h1>
<div class="search"><label for="search">Search (press /)</label><input type="search" id="search" autocomplete="off" aria-describedby="found"><span id="found" role="status"></span></div></header>
<nav aria-label="Contents">${navigation}</nav></div>
<main id="content" tabindex="-1" data-ids="${escape(JSON.stringify(sampleIds))}">
<p>HTTP under <code>/api/v1</code>, Socket.IO under <code>/socket.io</code>, one port. For machines: <a href="openapi.json">OpenAPI</a> and <a href="asyncapi.json">AsyncAPI</a>.</p>
<p>HTTP wants <code>Authorization: Bearer &lt;accessToken&gt;</code>, sockets <code>auth: {token}</code>. A socket call is answered once, through its acknowledgement: <code>{ok: true, data, traceId}</code> or
<code>{ok: false, error: {code, message, details?, retryAfterMs?, traceId?}}</code>; without an acknowledgement callback it is made, and its outcome told to nobody. HTTP errors are <code>application/problem+json</code> with the same fields.</p>
${pre(example)}
<div class="try"><h2>Try it</h2><p>Every call below has a form. Its ids become those of what you create.</p>
<p id="state" role="status"></p><button type="button" id="guest">Become a guest</button><button type="button" id="connect">Connect the socket</button>
<output id="session-answer" aria-live="polite" tabindex="0"></output>
<details><summary>Events that arrived</summary><ol id="events" tabindex="0"></ol></details></div>
${groups.map(([group, members]) => `<section><h2>${escape(group)}</h2>${members.map(([name, call]) => callEntry(name, call)).join('')}</section>`).join('')}
<section><h2>Events from the server</h2>${events.map(([name, payload]) => eventEntry(name, payload)).join('')}</section>
<h2 id="files">Files</h2>${table(['HTTP', 'what it does', 'headers'], fileRows)}
<h2 id="shapes">Shapes</h2>${table(['shape', 'fields'], shapeRows)}
<h2 id="errors">Errors</h2>${table(['code', 'HTTP status', 'retry', 'when'], errorRows)}
<h2 id="limits">Limits</h2>${table(
  ['limit', 'value'],
  Object.entries(limits).map(([name, value]) => row(code(name), escape(value))),
)}
</main></div></body></html>
`;
