import { LanguageSetting } from './language-setting.tsx';
import type { Me } from '@parley/contracts';
import { ChevronRight, Info, LogOut, MonitorSmartphone, Terminal } from 'lucide-react';
import { Suspense, useRef, useState, type FormEvent } from 'react';
import { Link } from 'wouter';
import { useStrings } from '@parley/react-ui';
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
import { useAppStrings } from '../strings/app-strings.tsx';

const ProtocolLog = lazyPart(() => import('../protocol-log/protocol-log.tsx'));

export function SettingsPage() {
  const { settings } = useAppStrings();
  const me = useMe();
  return (
    <div className="page">
      <div className="page-inner">
        <h1>{settings.title}</h1>
        {me.kind === 'guest' && <GuestUpgrade />}
        <Profile />
        <LanguageSetting />
        <ThemeSetting />
        <DensitySetting />
        <NotificationSettings />
        {me.kind === 'person' && <PasswordChange />}
        <SessionSettings />
        <DeveloperSettings />
        <section className="card">
          <h2>{settings.about}</h2>
          <Link href="/about" className="person">
            <Info size={22} />
            <span className="grow">
              {settings.aboutParley}
              <small>{settings.aboutHint}</small>
            </span>
            <ChevronRight size={20} />
          </Link>
        </section>
      </div>
    </div>
  );
}

function Profile() {
  const { settings } = useAppStrings();
  const { common } = useStrings();
  const client = useClient();
  const me = useMe() as Me;
  const file = useRef<HTMLInputElement>(null);
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const displayName = textField(new FormData(event.currentTarget), 'displayName').trim();
    void attempt(() => client.updateProfile({ displayName })).then((done) => done && toast(settings.saved));
  };
  const choose = (picked: File | undefined) =>
    picked &&
    void attempt(async () => {
      const { id } = await client.upload(await cropToSquare(picked), { name: 'avatar.jpg' });
      await client.updateProfile({ avatarId: id });
    });
  return (
    <section className="card">
      <h2>{settings.profile}</h2>
      <div className="profile-head">
        <Avatar user={me} size={72} />
        <div className="grow">
          <strong>{me.displayName}</strong>
          <p className="muted">@{me.username}</p>
        </div>
        <button type="button" className="button" onClick={() => file.current?.click()}>
          {settings.changePicture}
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
          <span>{settings.name}</span>
          <input className="input" name="displayName" required maxLength={100} defaultValue={me.displayName} />
        </label>
        <button className="button primary save">{common.save}</button>
      </form>
      <Availability />
    </section>
  );
}

function Availability() {
  const { settings } = useAppStrings();
  const client = useClient();
  const state = useChat(({ availability }) => availability ?? 'online');
  return (
    <div className="field">
      <span>{settings.seenAs}</span>
      <div className="tabs">
        {(['online', 'away', 'busy'] as const).map((choice) => (
          <button key={choice} type="button" aria-pressed={state === choice} onClick={() => client.setPresence(choice)}>
            {settings.availability[choice]}
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
  const { settings } = useAppStrings();
  const [sound, setSound] = useState(() => isEnabled('sound'));
  const [system, setSystem] = useState(() => isEnabled('system'));
  const allow = async (on: boolean) => {
    const allowed = await setEnabled('system', on);
    setSystem(allowed);
    if (on && !allowed) toast(settings.systemRefused);
  };
  return (
    <section className="card">
      <h2>{settings.notifications}</h2>
      <label className="switch">
        <span>
          {settings.sound}
          <small>{settings.soundHint}</small>
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
          {settings.system}
          <small>{settings.systemHint}</small>
        </span>
        <input type="checkbox" role="switch" checked={system} onChange={({ target }) => void allow(target.checked)} />
      </label>
    </section>
  );
}

function PasswordChange() {
  const { settings } = useAppStrings();
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
        toast(settings.passwordChanged);
      },
      (error: unknown) =>
        setProblem((error as { code?: string }).code === 'forbidden' ? settings.passwordWrong : explain(error)),
    );
  };
  return (
    <section className="card">
      <h2>{settings.password}</h2>
      <form className="stack" onSubmit={submit}>
        <div className="two">
          <label className="field">
            <span>{settings.currentPassword}</span>
            <input className="input" type="password" name="current" required autoComplete="current-password" />
          </label>
          <label className="field">
            <span>{settings.newPassword(10)}</span>
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
            {settings.endBots}
            <small>{settings.endBotsHint}</small>
          </span>
          <input type="checkbox" role="switch" name="endBots" />
        </label>
        {problem !== undefined && (
          <p className="notice bad" role="alert">
            {problem}
          </p>
        )}
        <div className="row end">
          <button className="button">{settings.changePassword}</button>
        </div>
      </form>
    </section>
  );
}

function GuestUpgrade() {
  const { settings, signIn } = useAppStrings();
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
      () => toast(settings.accountReady),
      (error: unknown) => setProblem((error as { code?: string }).code === 'conflict' ? signIn.taken : explain(error)),
    );
  };
  return (
    <section className="card">
      <h2>{settings.guest}</h2>
      <p className="muted">{settings.guestHint}</p>
      <div>
        <button type="button" className="button primary" onClick={() => setOpen(true)}>
          {settings.createAnAccount}
        </button>
      </div>
      {open && (
        <Dialog title={settings.createAnAccount} onClose={() => setOpen(false)}>
          <form className="stack" onSubmit={submit}>
            <CredentialFields isNew />
            {problem !== undefined && (
              <p className="notice bad" role="alert">
                {problem}
              </p>
            )}
            <button className="button primary">{settings.createAccount}</button>
          </form>
        </Dialog>
      )}
    </section>
  );
}

function SessionSettings() {
  const { settings } = useAppStrings();
  const pending = useChat((state) => state.pendingCount);
  const isGuest = useMe().kind === 'guest';
  const [isConfirming, setConfirming] = useState(false);
  const leave = useLogOut();
  return (
    <section className="card">
      <h2>{settings.session}</h2>
      <Link href="/settings/devices" className="person">
        <MonitorSmartphone size={22} />
        <span className="grow">
          {settings.devices}
          <small>{settings.devicesHint}</small>
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
          {settings.logOut}
        </button>
      </div>
      {isConfirming && <LogOutDialog onClose={() => setConfirming(false)} />}
    </section>
  );
}

function DeveloperSettings() {
  const { settings } = useAppStrings();
  const [open, setOpen] = useState(false);
  const close = () => setOpen(false);
  return (
    <section className="card">
      <h2>{settings.developer}</h2>
      <button type="button" className="person" onClick={() => setOpen(true)}>
        <Terminal size={22} />
        <span className="grow">
          {settings.log}
          <small>{settings.logHint}</small>
        </span>
        <ChevronRight size={20} />
      </button>
      {open && (
        <ErrorBoundary
          frame={(content) => (
            <Dialog title={settings.logNotShown} onClose={close}>
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
