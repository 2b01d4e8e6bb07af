import { Migration0001Initial } from './0001-initial.js';
import { Migration0002Domain } from './0002-domain.js';
import { Migration0003Trace } from './0003-trace.js';
import { Migration0004Uploads } from './0004-uploads.js';
import { Migration0005Names } from './0005-names.js';
import { Migration0006Folding } from './0006-folding.js';
import { Migration0007People } from './0007-people.js';
import { Migration0008Replies } from './0008-replies.js';
import { Migration0009Bots } from './0009-bots.js';
import { Migration0010Spelling } from './0010-spelling.js';
import { Migration0011MessageFiles } from './0011-message-files.js';

/** The table of executed migrations. Every role may read it. */
export const migrationTable = { schema: 'parley', name: 'migration' } as const;

/** In order. Released names never change. */
export const migrations = [
  { name: '0001-initial', class: Migration0001Initial },
  { name: '0002-domain', class: Migration0002Domain },
  { name: '0003-trace', class: Migration0003Trace },
  { name: '0004-uploads', class: Migration0004Uploads },
  { name: '0005-names', class: Migration0005Names },
  { name: '0006-folding', class: Migration0006Folding },
  { name: '0007-people', class: Migration0007People },
  { name: '0008-replies', class: Migration0008Replies },
  { name: '0009-bots', class: Migration0009Bots },
  { name: '0010-spelling', class: Migration0010Spelling },
  { name: '0011-message-files', class: Migration0011MessageFiles },
];

/** The database roles of the services. */
export const roles = { auth: 'parley_auth', messages: 'parley_messages', history: 'parley_history' } as const;
