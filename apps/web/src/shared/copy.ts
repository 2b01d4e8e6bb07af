import { toast } from './toasts.tsx';

/** Copies a text to the clipboard, and says so. */
export const copyText = (text: string): void =>
  void Promise.resolve()
    // The browser has no clipboard on plain HTTP.
    .then(() => navigator.clipboard.writeText(text))
    .then(
      () => toast('Copied'),
      () => toast('Copying is not allowed here'),
    );
