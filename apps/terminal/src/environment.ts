import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

const { PARLEY_PASSWORD, XDG_STATE_HOME, INIT_CWD } = process.env;

export const password = PARLEY_PASSWORD;

/** Where sessions and unsent messages are kept. */
export const stateHome = join(
  XDG_STATE_HOME !== undefined && isAbsolute(XDG_STATE_HOME) ? XDG_STATE_HOME : join(homedir(), '.local', 'state'),
  'parley',
);

/** The folder that the user is in: npm starts its scripts in another one. */
export const startFolder = INIT_CWD ?? process.cwd();
