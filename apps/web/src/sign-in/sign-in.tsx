import { ArrowRight, UserRoundPlus } from 'lucide-react';
import type { CallOutput } from '@parley/contracts';
import { useEffect, useState, type FormEvent } from 'react';
import { Link, useRoute } from 'wouter';
import { explain, textField, useClient } from '@parley/react-ui/parts';
import { basePath } from '../shared/base-path.ts';
import { CredentialFields } from './credential-fields.tsx';
import { deviceName } from './device-name.ts';
import { useAppStrings } from '../strings/app-strings.tsx';
import './sign-in.css';

type Mode = 'login' | 'register';

/**
 * The page for signing in: log in, create an account, or continue as a guest. `notice`: why the user was signed out.
 */
export function SignIn({ notice }: { readonly notice?: string | undefined }) {
  const { signIn } = useAppStrings();
  const [, params] = useRoute('/r/:id');
  return (
    <div className="welcome">
      <header className="welcome-pitch">
        <span className="brand">
          <img src={`${basePath}/favicon.svg`} alt="" />
          Parley
        </span>
        <h1>{signIn.slogan}</h1>
        <p>{signIn.pitch}</p>
        <div className="welcome-bubbles" aria-hidden="true">
          {signIn.bubbles.map((text) => (
            <span key={text}>{text}</span>
          ))}
        </div>
      </header>
      <main className="welcome-desk">
        <div className="welcome-card">
          {notice && (
            <p className="notice" role="status">
              {notice}
            </p>
          )}
          {params && <Invitation key={params.id} id={params.id} />}
          <SignInForm />
          <Link href="/about" className="welcome-about">
            {signIn.about}
          </Link>
        </div>
      </main>
    </div>
  );
}

/** What the room is to whose link somebody came. */
function Invitation({ id }: { readonly id: string }) {
  const { rooms, signIn } = useAppStrings();
  const client = useClient();
  const [room, setRoom] = useState<CallOutput<'room.get'>['room']>();
  useEffect(() => {
    client.request<CallOutput<'room.get'>['room']>('GET', `/rooms/${encodeURIComponent(id)}`).then(setRoom, () => {
      // Only members learn what it is.
    });
  }, [client, id]);
  return (
    <section className="invitation" aria-label={signIn.invitation}>
      <span className="muted small">{signIn.invitedTo}</span>
      <strong>{room?.title ?? signIn.aRoom}</strong>
      {room?.topic !== undefined && <p className="small">{room.topic}</p>}
      {room && <span className="muted small">{rooms.members(room.memberCount)}</span>}
    </section>
  );
}

function SignInForm() {
  const { signIn } = useAppStrings();
  const client = useClient();
  const [mode, setMode] = useState<Mode>('login');
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string>();

  const attempt = (work: () => Promise<unknown>) => {
    setBusy(true);
    setProblem(undefined);
    work().catch((error: unknown) => {
      const code = (error as { code?: string }).code;
      setProblem(code === 'unauthenticated' ? signIn.wrong : code === 'conflict' ? signIn.taken : explain(error));
      setBusy(false);
    });
  };
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const credentials = { username: textField(form, 'username').trim(), password: textField(form, 'password') };
    const displayName = textField(form, 'displayName').trim();
    if (mode === 'login') attempt(() => client.login({ ...credentials, deviceName: deviceName() }));
    else
      attempt(() =>
        client.register({ ...credentials, deviceName: deviceName(), ...(displayName !== '' && { displayName }) }),
      );
  };

  return (
    <>
      <h2>{mode === 'login' ? signIn.welcomeBack : signIn.welcome}</h2>
      <div className="tabs">
        <button type="button" aria-pressed={mode === 'login'} onClick={() => setMode('login')}>
          {signIn.logIn}
        </button>
        <button type="button" aria-pressed={mode === 'register'} onClick={() => setMode('register')}>
          {signIn.createAccount}
        </button>
      </div>
      <form className="welcome-form" onSubmit={submit}>
        {mode === 'register' && (
          <label className="field">
            <span>{signIn.yourName}</span>
            <input
              className="input"
              name="displayName"
              maxLength={100}
              autoComplete="name"
              placeholder={signIn.namePlaceholder}
            />
          </label>
        )}
        <CredentialFields isNew={mode === 'register'} />
        {problem && (
          <p className="notice bad" role="alert">
            {problem}
          </p>
        )}
        <button className="button primary" disabled={busy}>
          {mode === 'login' ? signIn.logIn : signIn.createAccount}
          <ArrowRight size={18} />
        </button>
      </form>
      <div className="or">{signIn.or}</div>
      <button
        type="button"
        className="button"
        disabled={busy}
        onClick={() => attempt(() => client.guest({ deviceName: deviceName() }))}
      >
        <UserRoundPlus size={18} />
        {signIn.guest}
      </button>
    </>
  );
}
