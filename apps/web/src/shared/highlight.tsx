import { Fragment } from 'react';

/** A body with its hits, which the server puts between U+E000 and U+E001, marked. */
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
