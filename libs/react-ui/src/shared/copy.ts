import { toast } from './toasts.tsx';
import { currentStrings } from '../strings/strings.tsx';

/** Copies a text and says so; without that right, `otherwise` is said. Works on pages without TLS, too. */
export const copyText = (
  text: string,
  done = currentStrings().common.copied,
  otherwise = currentStrings().common.copyForbidden,
): void => void copy(text).then((copied) => toast(copied ? done : otherwise));

async function copy(text: string): Promise<boolean> {
  // Absent on pages without TLS.
  const { clipboard } = navigator as { readonly clipboard?: Clipboard };
  try {
    if (clipboard) {
      await clipboard.writeText(text);
      return true;
    }
  } catch {
    // The older way may still be allowed.
  }
  return copyBySelection(text);
}

function copyBySelection(text: string): boolean {
  const area = document.createElement('textarea');
  area.value = text;
  area.readOnly = true;
  area.className = 'copy-area';
  const focused = document.activeElement;
  document.body.append(area);
  area.select();
  try {
    // oxlint-disable-next-line typescript/no-deprecated -- The only way on pages without TLS.
    return document.execCommand('copy');
  } finally {
    area.remove();
    if (focused instanceof HTMLElement) focused.focus();
  }
}
