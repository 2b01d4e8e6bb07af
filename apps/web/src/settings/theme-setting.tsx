import { themes, usePreference } from '@parley/react-ui/parts';
import { densities, density } from './density.ts';
import { themeChoice, themeOf } from './themes.ts';
import { useAppStrings } from '../strings/app-strings.tsx';

/** The choice of the theme: swatches, and a slider. */
export function ThemeSetting() {
  const { settings } = useAppStrings();
  const choice = usePreference(themeChoice);
  const theme = themeOf(choice);
  return (
    <section className="card">
      <h2 id="theme-heading">{settings.theme}</h2>
      <div className="swatches" role="radiogroup" aria-labelledby="theme-heading">
        {themeChoice.choices.map((option) => (
          <label key={option} className="swatch">
            <input
              type="radio"
              name="theme"
              value={option}
              checked={option === choice}
              onChange={() => themeChoice.choose(option)}
            />
            <span className="swatch-colors" aria-hidden="true">
              {(option === 'system' ? (['daylight', 'midnight'] as const) : [option]).map((shown) => (
                <span key={shown} data-theme={shown}>
                  <i />
                  <i />
                </span>
              ))}
            </span>
            {settings.themes[option]}
          </label>
        ))}
      </div>
      <label className="theme-slider">
        <span className="row">
          <span className="grow muted">{settings.slide}</span>
          <output>{settings.themes[theme]}</output>
        </span>
        <input
          type="range"
          min={0}
          max={themes.length - 1}
          step={1}
          value={themes.indexOf(theme)}
          aria-label={settings.theme}
          aria-valuetext={settings.themes[theme]}
          onChange={({ target }) => themeChoice.choose(themes[Number(target.value)]!)}
        />
      </label>
      <div className="preview" aria-hidden="true">
        {settings.preview.map((text) => (
          <span key={text}>{text}</span>
        ))}
      </div>
    </section>
  );
}

/** The choice of how much room messages take. */
export function DensitySetting() {
  const { settings } = useAppStrings();
  const chosen = usePreference(density);
  return (
    <section className="card">
      <h2 id="density-heading">{settings.density}</h2>
      <div className="tabs" role="group" aria-labelledby="density-heading">
        {densities.map((choice) => (
          <button key={choice} type="button" aria-pressed={choice === chosen} onClick={() => density.choose(choice)}>
            {settings.densities[choice]}
          </button>
        ))}
      </div>
      <p className="muted small">{settings.densityHint}</p>
    </section>
  );
}
