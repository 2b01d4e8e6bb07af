import type { Me } from '@parley/contracts';
import { ChevronRight, Info, LogOut, MonitorSmartphone, Terminal } from 'lucide-react';
import { Suspense, useRef, useState, type FormEvent } from 'react';
import { Link } from 'wouter';
import {
  Avatar,
  Dialog,
  ErrorBoundary,
  attempt,
  explain,
  lazyPart,
  textField,
  toast,
  useChat,
  useClient,
  useMe,
} from '@parley/react-ui/parts';
import { isEnabled, setEnabled } from '../notifications/notifications.ts';
import { LogOutDialog, useLogOut } from '../shared/log-out-dialog.tsx';
import { DensitySetting, ThemeSetting } from './theme-setting.tsx';
import './settings.css';
import { CredentialFields } from '../sign-in/credential-fields.tsx';
import { deviceName } from '../sign-in/device-name.ts';

const ProtocolLog = lazyPart(() => import('../protocol-log/protocol-log.tsx'));

export function SettingsPage() {
  const me = useMe();
  return (
    <div className="page">
      <div className="page-inner">
        <h1>Settings</h1>
        {me.kind === 'guest' && <GuestUpgrade />}
        <Profile />
        <ThemeSetting />
        <DensitySetting />
        <NotificationSettings />
        {me.kind === 'person' && <PasswordChange />}
        <SessionSettings />
        <DeveloperSettings />
        <section className="card">
          <h2>About</h2>
          <Link href="/about" className="person">
            <Info size={22} />
            <span className="grow">
              About Parley<small>Version, limits and licences of this server</small>
            </span>
            <ChevronRight size={20} />
          </Link>
        </section>
      </div>
    </div>
  );
}

function Profile() {
  const client = useClient();
  const me = useMe() as Me;
  const file = useRef<HTMLInputElement>(null);
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const displayName = textField(new FormData(event.currentTarget), 'displayName').trim();
    void attempt(() => client.updateProfile({ displayName })).then((done) => done && toast('Saved'));
  };
  const choose = (picked: File | undefined) =>
    picked &&
    void attempt(async () => {
      const { id } = await client.upload(await cropToSquare(picked), { name: 'avatar.jpg' });
      await client.updateProfile({ avatarId: id });
    });
  return (
    <section className="card">
      <h2>Profile</h2>
      <div className="profile-head">
        <Avatar user={me} size={72} />
        <div className="grow">
          <strong>{me.displayName}</strong>
          <p className="muted">@{me.username}</p>
        </div>
        <button type="button" className="button" onClick={() => file.current?.click()}>
          Change picture
        </button>
        <input
          ref={file}
          type="file"
          accept="image/*"
          hidden
          aria-hidden="true"
          onChange={({ target }) => choose(target.files?.[0])}
        />
      </div>
      <form className="row wrap" onSubmit={submit}>
        <label className="field grow">
          <span>Name</span>
          <input className="input" name="displayName" required maxLength={100} defaultValue={me.displayName} />
        </label>
        <button className="button primary save">Save</button>
      </form>
      <Availability />
    </section>
  );
}

function Availability() {
  const client = useClient();
  const state = useChat(({ availability }) => availability ?? 'online');
  return (
    <div className="field">
      <span>Others see you as</span>
      <div className="tabs">
        {(['online', 'away', 'busy'] as const).map((choice) => (
          <button key={choice} type="button" aria-pressed={state === choice} onClick={() => client.setPresence(choice)}>
            {{ online: 'Online', away: 'Away', busy: 'Busy' }[choice]}
          </button>
        ))}
      </div>
    </div>
  );
}

const AVATAR_PIXELS = 256;

/**
 * Crops a picture to a square of 256 pixels out of its middle, so that nobody loads megabytes for an avatar in a list.
 */
async function cropToSquare(file: File): Promise<File> {
  const bitmap = await createImageBitmap(file);
  const side = Math.min(bitmap.width, bitmap.height);
  const canvas = new OffscreenCanvas(AVATAR_PIXELS, AVATAR_PIXELS);
  canvas
    .getContext('2d')!
    .drawImage(
      bitmap,
      (bitmap.width - side) / 2,
      (bitmap.height - side) / 2,
      side,
      side,
      0,
      0,
      AVATAR_PIXELS,
      AVATAR_PIXELS,
    );
  return new File([await canvas.convertToBlob({ type: 'image/jpeg', quality: 0.88 })], 'avatar.jpg', {
    type: 'image/jpeg',
  });
}

function NotificationSettings() {
  const [sound, setSound] = useState(() => isEnabled('sound'));
  const [system, setSystem] = useState(() => isEnabled('system'));
  const allow = async (on: boolean) => {
    const allowed = await setEnabled('system', on);
    setSystem(allowed);
    if (on && !allowed) toast('Your browser does not allow notifications for this page.');
  };
  return (
    <section className="card">
      <h2>Notifications on this device</h2>
      <label className="switch">
        <span>
          Sound<small>Two soft tones for a new message elsewhere</small>
        </span>
        <input
          type="checkbox"
          role="switch"
          checked={sound}
          onChange={({ target }) => void setEnabled('sound', target.checked).then(setSound)}
        />
      </label>
      <label className="switch">
        <span>
          System notifications<small>While you look at something else</small>
        </span>
        <input type="checkbox" role="switch" checked={system} onChange={({ target }) => void allow(target.checked)} />
      </label>
    </section>
  );
}

function PasswordChange() {
  const client = useClient();
  const [problem, setProblem] = useState<string>();
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = event.currentTarget;
    const { current, next, endBots } = Object.fromEntries(new FormData(form)) as {
      current: string;
      next: string;
      endBots?: string;
    };
    const body = { current, next, ...(endBots !== undefined && { endBots: true }) };
    client.request('POST', '/auth/password', { body }).then(
      () => {
        setProblem(undefined);
        form.reset();
        toast('Password changed. Your other devices were logged out.');
      },
      (error: unknown) =>
        setProblem(
          (error as { code?: string }).code === 'forbidden' ? 'That is not your current password.' : explain(error),
        ),
    );
  };
  return (
    <section className="card">
      <h2>Password</h2>
      <form className="stack" onSubmit={submit}>
        <div className="two">
          <label className="field">
            <span>Current password</span>
            <input className="input" type="password" name="current" required autoComplete="current-password" />
          </label>
          <label className="field">
            <span>New password (10 letters or more)</span>
            <input
              className="input"
              type="password"
              name="next"
              required
              minLength={10}
              maxLength={200}
              autoComplete="new-password"
            />
          </label>
        </div>
        <label className="switch">
          <span>
            Also end my bots and webhooks<small>If somebody else may have used this account</small>
          </span>
          <input type="checkbox" role="switch" name="endBots" />
        </label>
        {problem !== undefined && (
          <p className="notice bad" role="alert">
            {problem}
          </p>
        )}
        <div className="row end">
          <button className="button">Change password</button>
        </div>
      </form>
    </section>
  );
}

function GuestUpgrade() {
  const client = useClient();
  const [open, setOpen] = useState(false);
  const [problem, setProblem] = useState<string>();
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const { username, password } = Object.fromEntries(new FormData(event.currentTarget)) as {
      username: string;
      password: string;
    };
    client.register({ username, password, deviceName: deviceName() }).then(
      () => toast('Your account is ready. Everything is yours to keep.'),
      (error: unknown) =>
        setProblem((error as { code?: string }).code === 'conflict' ? 'That username is taken.' : explain(error)),
    );
  };
  return (
    <section className="card">
      <h2>You are here as a guest</h2>
      <p className="muted">Choose a name and a password, and your chats stay yours, on every device.</p>
      <div>
        <button type="button" className="button primary" onClick={() => setOpen(true)}>
          Create an account
        </button>
      </div>
      {open && (
        <Dialog title="Create an account" onClose={() => setOpen(false)}>
          <form className="stack" onSubmit={submit}>
            <CredentialFields isNew />
            {problem !== undefined && (
              <p className="notice bad" role="alert">
                {problem}
              </p>
            )}
            <button className="button primary">Create account</button>
          </form>
        </Dialog>
      )}
    </section>
  );
}

function SessionSettings() {
  const pending = useChat((state) => state.pendingCount);
  const isGuest = useMe().kind === 'guest';
  const [isConfirming, setConfirming] = useState(false);
  const leave = useLogOut();
  return (
    <section className="card">
      <h2>Session</h2>
      <Link href="/settings/devices" className="person">
        <MonitorSmartphone size={22} />
        <span className="grow">
          Devices<small>Where you are logged in</small>
        </span>
        <ChevronRight size={20} />
      </Link>
      <div>
        <button
          type="button"
          className="button danger"
          onClick={() => (pending > 0 || isGuest ? setConfirming(true) : leave())}
        >
          <LogOut size={18} />
          Log out
        </button>
      </div>
      {isConfirming && <LogOutDialog onClose={() => setConfirming(false)} />}
    </section>
  );
}

function DeveloperSettings() {
  const [open, setOpen] = useState(false);
  const close = () => setOpen(false);
  return (
    <section className="card">
      <h2>Developer</h2>
      <button type="button" className="person" onClick={() => setOpen(true)}>
        <Terminal size={22} />
        <span className="grow">
          Protocol log<small>What this page and the server say to each other</small>
        </span>
        <ChevronRight size={20} />
      </button>
      {open && (
        <ErrorBoundary
          frame={(content) => (
            <Dialog title="The log can’t be shown" onClose={close}>
              {content}
            </Dialog>
          )}
        >
          <Suspense>
            <ProtocolLog onClose={close} />
          </Suspense>
        </ErrorBoundary>
      )}
    </section>
  );
}
