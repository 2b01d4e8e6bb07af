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

  it('serves metrics that name the service', async () => {
    const { status, body } = await health.answer('/metrics');
    expect(status).toBe(200);
    expect(body).toContain('service="probe"');
  });
});
