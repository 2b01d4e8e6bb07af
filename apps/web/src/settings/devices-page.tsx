import type { Device } from '@parley/contracts';
import { ArrowLeft, MonitorSmartphone } from 'lucide-react';
import { useCallback, useEffect, useState } from 'react';
import { Link } from 'wouter';
import { attempt, momentOf, sinceOf, toast, useClient } from '@parley/react-ui/parts';
import './settings.css';

export function DevicesPage() {
  const client = useClient();
  const [devices, setDevices] = useState<readonly Device[]>();
  const load = useCallback(
    () =>
      attempt(async () =>
        setDevices(
          (await client.request<{ items: Device[] }>('GET', '/auth/sessions', { query: { limit: 100 } })).items,
        ),
      ),
    [client],
  );
  useEffect(() => void load(), [load]);
  const end = (ids: readonly string[], confirmation: string) =>
    void attempt(() => Promise.all(ids.map((id) => client.request('DELETE', `/auth/sessions/${id}`))))
      .then((done) => done && toast(confirmation))
      .then(load);
  const others = devices?.filter(({ current }) => !current) ?? [];
  return (
    <div className="page">
      <div className="page-inner">
        <header className="page-head">
          <Link href="/settings" className="icon-button" aria-label="Back to the settings">
            <ArrowLeft size={22} />
          </Link>
          <h1 className="grow">Devices</h1>
        </header>
        <section className="card">
          {!devices && <div className="spinner" role="img" aria-label="Loading" />}
          <ul>
            {devices?.map((device) => (
              <li key={device.id} className="device">
                <MonitorSmartphone size={24} />
                <div className="grow">
                  <strong>{device.deviceName ?? 'A device'}</strong>{' '}
                  {device.current && <span className="tag">This one</span>}
                  <p className="muted small">
                    {device.current ? 'In use now' : `Last seen ${sinceOf(device.lastSeenAt)}`}
                    {device.address !== undefined && ` from ${device.address}`} · since {momentOf(device.createdAt)}
                  </p>
                </div>
                {!device.current && (
                  <button
                    type="button"
                    className="button slim danger"
                    onClick={() => end([device.id], 'That device was logged out')}
                  >
                    Log out
                  </button>
                )}
              </li>
            ))}
          </ul>
        </section>
        {others.length > 0 && (
          <div>
            <button
              type="button"
              className="button danger"
              onClick={() =>
                end(
                  others.map(({ id }) => id),
                  'All other devices were logged out',
                )
              }
            >
              Log out everywhere else
            </button>
          </div>
        )}
      </div>
    </div>
  );
}
