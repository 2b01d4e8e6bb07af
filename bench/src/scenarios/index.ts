import type { Scenario } from '../scenario.js';
import { connect } from './connect.js';
import { history } from './history.js';
import { presence } from './presence.js';
import { fanout, room } from './room.js';
import { scale } from './scale.js';
import { send } from './send.js';
import { soak } from './soak.js';

export const scenarios = { send, room, fanout, connect, history, presence, soak, scale } satisfies Record<
  string,
  Scenario
>;
export type ScenarioName = keyof typeof scenarios;
