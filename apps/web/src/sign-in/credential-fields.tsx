/** The fields of a form for a username and a password. They are named `username` and `password`. */
export function CredentialFields({ isNew }: { readonly isNew: boolean }) {
  return (
    <>
      <label className="field">
        <span>Username</span>
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
        <span>Password{isNew && ' (10 letters or more)'}</span>
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
