import type { Device } from '@parley/contracts';
import { ArrowLeft, MonitorSmartphone } from 'lucide-react';
import { useCallback, useEffect, useState } from 'react';
import { Link } from 'wouter';
import { useStrings } from '@parley/react-ui';
import { attempt, momentOf, sinceOf, toast, useClient } from '@parley/react-ui/parts';
import { useAppStrings } from '../strings/app-strings.tsx';
import './settings.css';

export function DevicesPage() {
  const { devices, settings } = useAppStrings();
  const { common } = useStrings();
  const client = useClient();
  const [known, setKnown] = useState<readonly Device[]>();
  const load = useCallback(
    () =>
      attempt(async () =>
        setKnown((await client.request<{ items: Device[] }>('GET', '/auth/sessions', { query: { limit: 100 } })).items),
      ),
    [client],
  );
  useEffect(() => void load(), [load]);
  const end = (ids: readonly string[], confirmation: string) =>
    void attempt(() => Promise.all(ids.map((id) => client.request('DELETE', `/auth/sessions/${id}`))))
      .then((done) => done && toast(confirmation))
      .then(load);
  const others = known?.filter(({ current }) => !current) ?? [];
  return (
    <div className="page">
      <div className="page-inner">
        <header className="page-head">
          <Link href="/settings" className="icon-button" aria-label={devices.back}>
            <ArrowLeft size={22} />
          </Link>
          <h1 className="grow">{settings.devices}</h1>
        </header>
        <section className="card">
          {!known && <div className="spinner" role="img" aria-label={common.loading} />}
          <ul>
            {known?.map((device) => (
              <li key={device.id} className="device">
                <MonitorSmartphone size={24} />
                <div className="grow">
                  <strong>{device.deviceName ?? devices.unnamed}</strong>{' '}
                  {device.current && <span className="tag">{devices.thisOne}</span>}
                  <p className="muted small">
                    {devices.detail(
                      device.current ? devices.inUse : devices.lastSeen(sinceOf(device.lastSeenAt)),
                      device.address,
                      momentOf(device.createdAt),
                    )}
                  </p>
                </div>
                {!device.current && (
                  <button
                    type="button"
                    className="button slim danger"
                    onClick={() => end([device.id], devices.loggedOut)}
                  >
                    {settings.logOut}
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
                  devices.othersLoggedOut,
                )
              }
            >
              {devices.logOutOthers}
            </button>
          </div>
        )}
      </div>
    </div>
  );
}
