import { languages } from '@parley/react-ui';
import { usePreference } from '@parley/react-ui/parts';
import { useAppStrings } from '../strings/app-strings.tsx';
import { browserLanguage, languageChoice, languageTags } from './language.ts';

/** The choice of the language. */
export function LanguageSetting() {
  const { settings } = useAppStrings();
  const chosen = usePreference(languageChoice);
  return (
    <section className="card">
      <h2 id="language-heading">{settings.language}</h2>
      <select
        className="input"
        aria-labelledby="language-heading"
        value={chosen}
        onChange={({ target }) => languageChoice.choose(target.value as typeof chosen)}
      >
        <option value="browser">{settings.languageOfBrowser(languages[browserLanguage()])}</option>
        {languageTags.map((tag) => (
          <option key={tag} value={tag} lang={tag}>
            {languages[tag]}
          </option>
        ))}
      </select>
    </section>
  );
}
