import type { CallOutput } from '@parley/contracts';
import { ArrowLeft } from 'lucide-react';
import { useEffect, useState } from 'react';
import { Link } from 'wouter';
import { explain, sizeOf, useClient } from '@parley/react-ui/parts';
import { basePath } from '../shared/base-path.ts';
import './about.css';

type Info = CallOutput<'server.info'>;
/** An entry of the list that the build writes. */
interface Licence {
  readonly name: string;
  readonly version: string;
  readonly identifier: string | null;
  readonly text: string;
}

const modes: Readonly<Record<Info['mode'], string>> = {
  embedded: 'Everything in one process, with its own database',
  standalone: 'One process, with RabbitMQ, Postgres or Redis beside it',
  cluster: 'A cluster of services',
};
const number = new Intl.NumberFormat();
const limitTexts: readonly (readonly [string, (limits: Info['limits']) => string])[] = [
  ['Longest message', ({ bodyBytes }) => sizeOf(bodyBytes)],
  ['Largest file', ({ uploadBytes }) => sizeOf(uploadBytes)],
  ['Members of a group', ({ membersPerGroup }) => number.format(membersPerGroup)],
  [
    'Messages',
    ({ messagesPerSecond, messageBurst }) =>
      `${number.format(messagesPerSecond)} a second, ${number.format(messageBurst)} at once`,
  ],
  ['Connections of one person', ({ socketsPerUser }) => number.format(socketsPerUser)],
  ['Everybody sees who has read', ({ receiptsToAllUpTo }) => `up to ${number.format(receiptsToAllUpTo)} members`],
];

/** What this server is: its version, kind and limits, its documents, and whose work is in the app. */
export default function AboutPage({ back }: { readonly back: { readonly href: string; readonly label: string } }) {
  const client = useClient();
  const [info, setInfo] = useState<Info>();
  const [problem, setProblem] = useState<string>();
  useEffect(() => {
    client.request<Info>('GET', '/info').then(setInfo, (error: unknown) => setProblem(explain(error)));
  }, [client]);
  return (
    <div className="page">
      <div className="page-inner">
        <header className="page-head">
          <Link href={back.href} className="icon-button" aria-label={back.label}>
            <ArrowLeft size={22} />
          </Link>
          <h1 className="grow">About Parley</h1>
        </header>
        <section className="card">
          <p>Chat that teams run themselves. Nothing acknowledged is ever lost.</p>
          {problem !== undefined && (
            <p className="notice bad" role="alert">
              {problem}
            </p>
          )}
          <dl className="facts" aria-busy={!info && problem === undefined}>
            <Fact name="Version" value={info?.version} />
            <Fact name="Server" value={info && modes[info.mode]} />
            <Fact name="Protocol" value={info && `Version ${info.protocol}`} />
          </dl>
        </section>
        <section className="card">
          <h2>Limits</h2>
          <dl className="facts">
            {limitTexts.map(([name, text]) => (
              <Fact key={name} name={name} value={info && text(info.limits)} />
            ))}
          </dl>
        </section>
        <section className="card">
          <h2>For developers</h2>
          <p className="row wrap">
            <a className="button slim" href={`${basePath}/api/docs`}>
              Documentation
            </a>
            <a className="button slim" href={`${basePath}/api/openapi.json`}>
              OpenAPI
            </a>
            <a className="button slim" href={`${basePath}/api/asyncapi.json`}>
              AsyncAPI
            </a>
          </p>
        </section>
        <Licences />
      </div>
    </div>
  );
}

function Fact({ name, value }: { readonly name: string; readonly value: string | undefined }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value ?? '…'}</dd>
    </div>
  );
}

/** The licences of what the app contains, loaded when somebody wants to see them. */
function Licences() {
  const [licences, setLicences] = useState<readonly Licence[]>();
  const [failed, setFailed] = useState(false);
  const load = () => {
    if (licences) return;
    setFailed(false);
    fetch(`${basePath}/licences.json`)
      .then(async (answer) => (answer.ok ? setLicences((await answer.json()) as Licence[]) : setFailed(true)))
      .catch(() => setFailed(true));
  };
  return (
    <section className="card">
      <h2>Licences</h2>
      <p className="muted">Parley is free software under the MIT licence.</p>
      <details className="licences" onToggle={({ currentTarget }) => currentTarget.open && load()}>
        <summary>Software in this app</summary>
        {failed && <p className="muted">The list could not be loaded. Open it again to retry.</p>}
        <ul>
          {licences?.map(({ name, version, identifier, text }) => (
            <li key={`${name} ${version}`}>
              <details>
                <summary>
                  {name} <span className="muted">{version}</span>{' '}
                  {identifier !== null && <span className="tag">{identifier}</span>}
                </summary>
                <pre>{text}</pre>
              </details>
            </li>
          ))}
        </ul>
      </details>
    </section>
  );
}
