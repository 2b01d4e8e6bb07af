import { afterEach, describe, expect, it } from 'vitest';
import { Health } from './health.js';

describe('health', () => {
  const health = new Health('probe');
  afterEach(() => health.close());

  it('is ready only while open and while no check has a problem', async () => {
    const url = `http://127.0.0.1:${await health.listen(0, '127.0.0.1')}`;
    const ready = async () => (await fetch(`${url}/health/ready`)).status;
    let problem: string | undefined = 'no connection to the broker';
    health.check('broker', () => problem);

    expect((await fetch(`${url}/health/live`)).status).toBe(200);
    expect(await ready()).toBe(503);
    health.open();
    expect(await (await fetch(`${url}/health/ready`)).json()).toEqual({
      status: 'unavailable',
      problems: { broker: 'no connection to the broker' },
    });
    problem = undefined;
    expect(await ready()).toBe(200);
    health.drain();
    expect(await ready()).toBe(503);
  });

  it('is live until a new process is needed, whatever its readiness', async () => {
    let problem: string | undefined;
    health.liveWhile('database', () => problem);
    health.drain();
    expect((await health.answer('/health/live')).status).toBe(200);
    problem = 'it does not open again';
    const { status, body } = await health.answer('/health/live');
    expect(status).toBe(503);
    expect(JSON.parse(body)).toEqual({ status: 'restart needed', problems: { database: 'it does not open again' } });
  });

  it('serves metrics that name the service', async () => {
    const { status, body } = await health.answer('/metrics');
    expect(status).toBe(200);
    expect(body).toContain('service="probe"');
  });
});
