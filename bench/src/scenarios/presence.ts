import { answered, failures, load, received, scaled, type Scenario } from '../scenario.js';

const HEARTBEAT_SECONDS = 10;
const GROUP = 50;

/** Heartbeats of all users; then changes of state, each announced to watchers. */
export const presence: Scenario = {
  peers: ['bare'],
  generators: 2,
  async open(context) {
    const { target, fleet, size } = context;
    const users = await target.users(scaled(2_000, size, 10));
    await fleet.open(
      target.urls,
      users.map(({ token }) => token),
    );
    for (let at = 0; at < users.length; at += GROUP) {
      const members = users.slice(at, at + GROUP).map(({ id }) => id);
      await fleet.ask(at, 'conversation:create', { kind: 'group', title: 'neighbours', memberIds: members.slice(1) });
      // The peers have no presence.
      if (target.name === 'cluster' || target.name === 'embedded')
        await Promise.all(
          members.slice(0, 10).map((_, index) => fleet.ask(at + index, 'presence:watch', { userIds: members })),
        );
    }
    const beats = users.map((_, client) => ({ client, event: 'presence:heartbeat', payload: {} }));
    const flips = users.flatMap((_, client) =>
      ['online', 'away', 'busy'].map((state) => ({ client, event: 'presence:heartbeat', payload: { state } })),
    );
    const columns = [...answered, received[0]!, failures];
    return [
      load(
        context,
        `heartbeats of ${users.length}, one each in ${HEARTBEAT_SECONDS} s`,
        beats,
        { perSecond: users.length / HEARTBEAT_SECONDS },
        columns,
      ),
      load(context, 'heartbeats, one outstanding each', beats.slice(0, 200), { outstanding: 1 }, columns),
      load(
        context,
        `${scaled(200, size, 10)} changes of state a second`,
        flips,
        { perSecond: scaled(200, size, 10) },
        columns,
      ),
    ];
  },
};
