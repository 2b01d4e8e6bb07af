import { Attachment } from '@parley/contracts';
import { refusalsOf } from './refusals.js';
import type { Schemas } from './schemas.js';

type Json = Record<string, unknown>;

/** A path for files, which is not a call of the contracts. */
export interface FileRoute {
  readonly id: string;
  readonly method: 'get' | 'head' | 'post' | 'patch' | 'delete';
  readonly path: string;
  readonly summary: string;
  readonly headers?: readonly string[];
  readonly parameters?: readonly Json[];
  /** Whether it takes no access token. */
  readonly open?: boolean;
  readonly body?: Json;
  /** The description of each status; `attachment` means that the answer is one. */
  readonly answers: Readonly<Record<number, string>>;
}

const bytes: Json = { schema: { type: 'string', format: 'binary' } };
const tus = ['Tus-Resumable'];

export const fileRoutes: readonly FileRoute[] = [
  {
    id: 'attachment.create',
    method: 'post',
    path: '/api/v1/attachments',
    summary: 'Upload a file of at most `attachmentBytes`: its only part, `file`',
    body: {
      'multipart/form-data': {
        schema: { type: 'object', required: ['file'], properties: { file: { type: 'string', format: 'binary' } } },
      },
    },
    answers: { 201: 'attachment' },
  },
  {
    id: 'attachment.get',
    method: 'get',
    path: '/api/v1/attachments/{id}',
    summary: 'The bytes, for users who may see the message; HEAD returns only headers',
    headers: ['Range', 'If-None-Match', 'If-Range'],
    answers: {
      200: 'The file',
      206: 'The part of it that Range wants',
      304: 'Not changed',
      416: 'The range lies outside the file',
    },
  },
  {
    id: 'attachment.content',
    method: 'get',
    path: '/api/v1/attachments/{id}/content',
    summary: 'The bytes, for whoever has a link that `attachment.link` made; its address carries the token',
    parameters: [{ name: 'link', in: 'query', required: true, schema: { type: 'string' } }],
    open: true,
    headers: ['Range', 'If-None-Match', 'If-Range'],
    answers: {
      200: 'The file',
      206: 'The part of it that Range wants',
      304: 'Not changed',
      416: 'The range lies outside the file',
    },
  },
  {
    id: 'upload.create',
    method: 'post',
    path: '/api/v1/uploads',
    summary: 'Begin an upload in parts (tus 1.0) of at most `uploadBytes`; Upload-Metadata may name it: filename',
    headers: [...tus, 'Upload-Length', 'Upload-Defer-Length', 'Upload-Metadata'],
    answers: { 201: 'Begun: Location is its address' },
  },
  {
    id: 'upload.state',
    method: 'head',
    path: '/api/v1/uploads/{id}',
    summary: 'How far an upload is: Upload-Offset and Upload-Length',
    headers: tus,
    answers: { 200: 'The headers' },
  },
  {
    id: 'upload.part',
    method: 'patch',
    path: '/api/v1/uploads/{id}',
    summary: 'Go on with an upload; after the last part its id is an attachment’s',
    headers: [...tus, 'Upload-Offset'],
    body: { 'application/offset+octet-stream': bytes },
    answers: { 204: 'Stored up to Upload-Offset' },
  },
  {
    id: 'upload.end',
    method: 'delete',
    path: '/api/v1/uploads/{id}',
    summary: 'Give an unfinished upload up',
    headers: tus,
    answers: { 204: 'Gone' },
  },
];

/** The OpenAPI operation of a file route. */
export const fileOperation = (
  { id, method, path, summary, headers = [], parameters = [], open = false, body, answers }: FileRoute,
  schemas: Schemas,
): Json => ({
  operationId: id,
  summary,
  tags: [id.split('.')[0]],
  security: open ? [] : [{ session: [] }],
  parameters: [
    ...(path.includes('{id}')
      ? [{ name: 'id', in: 'path', required: true, schema: { type: 'string', format: 'uuid' } }]
      : []),
    ...parameters,
    ...headers.map((name) => ({
      name,
      in: 'header',
      required: name === 'Tus-Resumable' || name === 'Upload-Offset',
      schema: { type: 'string' },
    })),
  ],
  ...(body && { requestBody: { required: true, content: body } }),
  responses: {
    ...Object.fromEntries(
      Object.entries(answers).map(([status, description]) => [
        status,
        answer(Number(status), description, id, schemas),
      ]),
    ),
    ...refusalsOf({
      namesThings: path.includes('{id}'),
      changes: method !== 'get' && method !== 'head',
      hasBody: body !== undefined,
      takesFile: body !== undefined,
    }),
  },
});

function answer(status: number, description: string, id: string, schemas: Schemas): Json {
  if (description === 'attachment')
    return {
      description: 'The attachment',
      content: { 'application/json': { schema: schemas.of(Attachment, 'output') } },
    };
  return { description, ...(id.startsWith('attachment.') && status < 300 && { content: { '*/*': bytes } }) };
}
