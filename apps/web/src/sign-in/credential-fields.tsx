import { useAppStrings } from '../strings/app-strings.tsx';
/** The fields of a form for a username and a password. They are named `username` and `password`. */
export function CredentialFields({ isNew }: { readonly isNew: boolean }) {
  const { signIn } = useAppStrings();
  return (
    <>
      <label className="field">
        <span>{signIn.username}</span>
        <input
          className="input"
          name="username"
          required
          minLength={3}
          maxLength={32}
          autoComplete="username"
          autoCapitalize="none"
          spellCheck={false}
        />
      </label>
      <label className="field">
        <span>{isNew ? signIn.newPassword(10) : signIn.password}</span>
        <input
          className="input"
          name="password"
          type="password"
          required
          minLength={isNew ? 10 : 1}
          maxLength={200}
          autoComplete={isNew ? 'new-password' : 'current-password'}
        />
      </label>
    </>
  );
}
