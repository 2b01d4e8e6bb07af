import type { CallOutput } from '@parley/contracts';
import { ArrowLeft } from 'lucide-react';
import { useEffect, useState } from 'react';
import { Link } from 'wouter';
import { explain, sizeOf, useClient } from '@parley/react-ui/parts';
import { basePath } from '../shared/base-path.ts';
import { useAppStrings } from '../strings/app-strings.tsx';
import './about.css';

type Info = CallOutput<'server.info'>;
/** An entry of the list that the build writes. */
interface Licence {
  readonly name: string;
  readonly version: string;
  readonly identifier: string | null;
  readonly text: string;
}

/** What this server is: its version, kind and limits, its documents, and whose work is in the app. */
export default function AboutPage({ back }: { readonly back: { readonly href: string; readonly label: string } }) {
  const { about } = useAppStrings();
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
          <h1 className="grow">{about.title}</h1>
        </header>
        <section className="card">
          <p>{about.pitch}</p>
          {problem !== undefined && (
            <p className="notice bad" role="alert">
              {problem}
            </p>
          )}
          <dl className="facts" aria-busy={!info && problem === undefined}>
            <Fact name={about.version} value={info?.version} />
            <Fact name={about.server} value={info && about.modes[info.mode]} />
            <Fact name={about.protocol} value={info && about.protocolVersion(info.protocol)} />
          </dl>
        </section>
        <section className="card">
          <h2>{about.limits}</h2>
          <dl className="facts">
            <Fact name={about.longestMessage} value={info && sizeOf(info.limits.bodyBytes)} />
            <Fact name={about.largestFile} value={info && sizeOf(info.limits.uploadBytes)} />
            <Fact name={about.members} value={info && about.number(info.limits.membersPerGroup)} />
            <Fact
              name={about.messages}
              value={info && about.messageRate(info.limits.messagesPerSecond, info.limits.messageBurst)}
            />
            <Fact name={about.connections} value={info && about.number(info.limits.socketsPerUser)} />
            <Fact name={about.receipts} value={info && about.receiptsUpTo(info.limits.receiptsToAllUpTo)} />
          </dl>
        </section>
        <section className="card">
          <h2>{about.developers}</h2>
          <p className="row wrap">
            <a className="button slim" href={`${basePath}/api/docs`}>
              {about.documentation}
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
  const { about } = useAppStrings();
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
      <h2>{about.licences}</h2>
      <p className="muted">{about.licence}</p>
      <details className="licences" onToggle={({ currentTarget }) => currentTarget.open && load()}>
        <summary>{about.software}</summary>
        {failed && <p className="muted">{about.listFailed}</p>}
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
