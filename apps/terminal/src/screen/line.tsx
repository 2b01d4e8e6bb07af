import { Box, Text } from 'ink';
import type { ReactNode } from 'react';
import stringWidth from 'string-width';
import type { Row, Span } from './rows.js';

/** One line of the screen. `inverse` fills the whole width. */
export function Line({
  spans,
  width,
  inverse = false,
}: {
  readonly spans: readonly Span[];
  readonly width: number;
  readonly inverse?: boolean;
}): ReactNode {
  const used = spans.reduce((sum, { text }) => sum + stringWidth(text), 0);
  const filled = inverse
    ? [...spans.map((span) => ({ ...span, inverse })), { text: '\u{a0}'.repeat(Math.max(0, width - used)), inverse }]
    : spans;
  return (
    <Box height={1} width={width} flexShrink={0}>
      <Text wrap="truncate-end">
        {filled.map(({ text, color, dim, bold, inverse: isInverse }, at) => (
          <Text
            key={at}
            {...(color !== undefined && { color })}
            {...(dim && { dimColor: true })}
            {...(bold && { bold })}
            {...(isInverse && { inverse: true })}
          >
            {text}
          </Text>
        ))}
      </Text>
    </Box>
  );
}

/** Rows at the bottom, or at the top, of a box. */
export function Rows({
  rows,
  width,
  height,
  atTop = false,
}: {
  readonly rows: readonly Row[];
  readonly width: number;
  readonly height: number;
  readonly atTop?: boolean;
}): ReactNode {
  return (
    <Box flexDirection="column" width={width} height={height} justifyContent={atTop ? 'flex-start' : 'flex-end'}>
      {rows.map(({ key, spans }) => (
        <Line key={key} spans={spans} width={width} />
      ))}
    </Box>
  );
}
