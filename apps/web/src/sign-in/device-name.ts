import { currentAppStrings } from '../strings/app-strings.tsx';
/** The name of this browser in the list of devices. */
export function deviceName(): string {
  const texts = currentAppStrings().signIn;
  const agent = navigator.userAgent;
  const browser = (/(Firefox|Edg|OPR|Chrome|Safari)\//.exec(agent)?.[1] ?? texts.browser)
    .replace('Edg', 'Edge')
    .replace('OPR', 'Opera');
  const system = /Android|iPhone|iPad|Windows|Mac OS X|Linux/.exec(agent)?.[0]?.replace('Mac OS X', 'macOS');
  return system === undefined ? browser : texts.device(browser, system);
}
