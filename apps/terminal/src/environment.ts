import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

const { PARLEY_PASSWORD, XDG_STATE_HOME, INIT_CWD } = process.env;

export const password = PARLEY_PASSWORD;

/** The folder of sessions and unsent messages. */
export const stateHome = join(
  XDG_STATE_HOME !== undefined && isAbsolute(XDG_STATE_HOME) ? XDG_STATE_HOME : join(homedir(), '.local', 'state'),
  'parley',
);

/** The folder in which the user started the program: npm starts scripts in another one. */
export const startFolder = INIT_CWD ?? process.cwd();
