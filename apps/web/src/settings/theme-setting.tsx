import { themes, usePreference } from '@parley/react-ui/parts';
import { densities, density, densityLabels } from './density.ts';
import { labelOf, themeChoice, themeOf } from './themes.ts';

/** The choice of the theme: swatches, and a slider. */
export function ThemeSetting() {
  const choice = usePreference(themeChoice);
  const theme = themeOf(choice);
  return (
    <section className="card">
      <h2 id="theme-heading">Theme</h2>
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
            {labelOf(option)}
          </label>
        ))}
      </div>
      <label className="theme-slider">
        <span className="row">
          <span className="grow muted">Or slide to change</span>
          <output>{labelOf(theme)}</output>
        </span>
        <input
          type="range"
          min={0}
          max={themes.length - 1}
          step={1}
          value={themes.indexOf(theme)}
          aria-label="Theme"
          aria-valuetext={theme}
          onChange={({ target }) => themeChoice.choose(themes[Number(target.value)]!)}
        />
      </label>
      <div className="preview" aria-hidden="true">
        <span>How does this one look?</span>
        <span>Lovely. Keep it.</span>
      </div>
    </section>
  );
}

/** The choice of how much room messages take. */
export function DensitySetting() {
  const chosen = usePreference(density);
  return (
    <section className="card">
      <h2 id="density-heading">Messages on this device</h2>
      <div className="tabs" role="group" aria-labelledby="density-heading">
        {densities.map((choice) => (
          <button key={choice} type="button" aria-pressed={choice === chosen} onClick={() => density.choose(choice)}>
            {densityLabels[choice]}
          </button>
        ))}
      </div>
      <p className="muted small">Compact shows about twice as many messages at once.</p>
    </section>
  );
}
