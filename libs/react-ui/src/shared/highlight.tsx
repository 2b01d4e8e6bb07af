import { Fragment } from 'react';

/** A text with its hits marked. The server puts each hit between U+E000 and U+E001. */
export function Highlight({ text }: { readonly text: string }) {
  const [start = '', ...hits] = text.split('\uE000');
  return (
    <>
      {start}
      {hits.map((piece, at) => {
        const end = piece.indexOf('\uE001');
        return (
          <Fragment key={at}>
            <mark>{end < 0 ? piece : piece.slice(0, end)}</mark>
            {end < 0 ? '' : piece.slice(end + 1)}
          </Fragment>
        );
      })}
    </>
  );
}
