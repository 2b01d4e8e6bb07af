import { Copy } from 'lucide-react';
import { useEffect, useState, type ReactNode } from 'react';
import { copyText } from '../shared/copy.ts';
import { useStrings } from '../strings/strings.tsx';

/** Longer code is shown without colours. */
const MAX_HIGHLIGHTED = 20_000;

/** Code in lines of its own, with a button that copies it. Its colours come later, when they are loaded. */
export function CodeBlock({
  language,
  text,
}: {
  readonly language: string | undefined;
  readonly text: string;
}): ReactNode {
  const { messages } = useStrings();
  const [colored, setColored] = useState<ReactNode>();
  useEffect(() => {
    setColored(undefined);
    if (language === undefined || text.length > MAX_HIGHLIGHTED) return;
    let current = true;
    import('./highlight-code.tsx').then(
      ({ highlightCode }) => current && setColored(highlightCode(text, language)),
      // Without them the code is complete.
      () => undefined,
    );
    return () => void (current = false);
  }, [language, text]);
  return (
    <figure className="code-block" dir="ltr">
      <figcaption>
        <span>{language ?? messages.code}</span>
        <button
          type="button"
          className="icon-button slim"
          aria-label={messages.copyCode}
          onClick={() => copyText(text)}
        >
          <Copy size={14} />
        </button>
      </figcaption>
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- what scrolls must be reachable by the keyboard */}
      <pre tabIndex={0}>
        <code>{colored ?? text}</code>
      </pre>
    </figure>
  );
}
