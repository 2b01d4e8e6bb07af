import type { Line, NewLine } from '@parley/contracts';
import { Eraser } from 'lucide-react';
import { useEffect, useRef, useState, type PointerEvent } from 'react';
import { useClient } from '../shared/chat.ts';
import { Panel } from '../shared/panel.tsx';
import { attempt } from '../shared/toasts.tsx';

/** The board's size in its own coordinates, whatever size it is shown in. */
const WIDTH = 1600;
const HEIGHT = 1000;
const SEND_INTERVAL_MS = 120;
/** Below the server's limit of 2,000 numbers in a line. */
const MAX_NUMBERS = 600;
const colors = ['#1b1e2b', '#d92d20', '#1570ef', '#12873f', '#e58a00', '#8b3fd1', '#ffffff'] as const;

type Stroke = Pick<Line, 'id' | 'color' | 'width' | 'points'>;

/** The shared drawing board. Everybody in the conversation sees a line while it is being drawn. */
export default function Board({ id, onClose }: { readonly id: string; readonly onClose: () => void }) {
  const client = useClient();
  const canvas = useRef<HTMLCanvasElement>(null);
  const [color, setColor] = useState<string>(colors[0]);
  const [width, setWidth] = useState(6);
  const lines = useRef(new Map<string, Stroke>());
  const pen = useRef<{ readonly pointerId: number; points: number[]; sentAt: number }>(undefined);

  const draw = (line: Stroke) => {
    const context = canvas.current?.getContext('2d');
    if (context) stroke(context, line);
  };
  const repaint = () => {
    canvas.current?.getContext('2d')?.clearRect(0, 0, WIDTH, HEIGHT);
    for (const line of lines.current.values()) draw(line);
  };
  const add = (line: Stroke) => {
    if (lines.current.has(line.id)) return;
    lines.current.set(line.id, line);
    draw(line);
  };

  useEffect(() => {
    let isCurrent = true;
    let resetRev = 0;
    const load = () =>
      attempt(async () => {
        const { items, rev } = await client.drawing(id);
        // The board was emptied while its lines were on their way.
        if (!isCurrent || rev < resetRev) return;
        for (const line of items) lines.current.set(line.id, line);
        repaint();
      });
    const stops = [
      client.on('drawing:line', ({ conversationId, line }) => conversationId === id && add(line)),
      client.on('drawing:reset', ({ conversationId, rev }) => {
        if (conversationId !== id) return;
        resetRev = rev;
        lines.current.clear();
        repaint();
      }),
      // Lines that were drawn while the connection was lost.
      client.on('connection', ({ state }) => {
        if (state !== 'online') return;
        lines.current.clear();
        void load();
      }),
    ];
    void load();
    return () => {
      isCurrent = false;
      stops.forEach((stop) => stop());
    };
  }, [client, id]);

  const positionOf = (event: PointerEvent | globalThis.PointerEvent): [number, number] => {
    const box = canvas.current!.getBoundingClientRect();
    return [
      round(((event.clientX - box.left) / box.width) * WIDTH),
      round(((event.clientY - box.top) / box.height) * HEIGHT),
    ];
  };
  /** Sends a long line in parts, each of which begins where the last one ended, so that others see it grow. */
  const sendPart = (isLast: boolean) => {
    const now = pen.current;
    if (!now || (now.points.length < 4 && !isLast)) return;
    const points = now.points.length === 2 ? [...now.points, now.points[0]! + 0.1, now.points[1]!] : now.points;
    const line: NewLine = { id: crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`, color, width, points };
    lines.current.set(line.id, line);
    void attempt(() => client.draw(id, line)).then((drawn) => {
      if (drawn) return;
      lines.current.delete(line.id);
      repaint();
    });
    pen.current = { ...now, points: points.slice(-2), sentAt: performance.now() };
  };
  const down = (event: PointerEvent) => {
    if (event.button !== 0 || pen.current) return;
    canvas.current!.setPointerCapture(event.pointerId);
    pen.current = { pointerId: event.pointerId, points: positionOf(event), sentAt: performance.now() };
  };
  const move = (event: PointerEvent) => {
    const now = pen.current;
    if (now?.pointerId !== event.pointerId) return;
    const events = event.nativeEvent.getCoalescedEvents?.() ?? [];
    for (const pointerEvent of events.length > 0 ? events : [event]) {
      const position = positionOf(pointerEvent);
      draw({ id: '', color, width, points: [...now.points.slice(-2), ...position] });
      now.points.push(...position);
    }
    if (now.points.length >= MAX_NUMBERS || performance.now() - now.sentAt > SEND_INTERVAL_MS) sendPart(false);
  };
  const up = (event: PointerEvent) => {
    if (pen.current?.pointerId !== event.pointerId) return;
    sendPart(true);
    pen.current = undefined;
  };

  return (
    <Panel title="Drawing board" wide onClose={onClose}>
      <div className="board">
        <canvas
          ref={canvas}
          width={WIDTH}
          height={HEIGHT}
          role="img"
          aria-label="The shared drawing"
          onPointerDown={down}
          onPointerMove={move}
          onPointerUp={up}
          onPointerCancel={up}
        />
      </div>
      <div className="board-tools">
        <div className="swatches" role="radiogroup" aria-label="Colour">
          {colors.map((choice) => (
            <input
              key={choice}
              type="radio"
              name="ink"
              value={choice}
              checked={choice === color}
              aria-label={choice === '#ffffff' ? 'White, to rub out' : `Colour ${choice}`}
              style={{ '--swatch': choice } as React.CSSProperties}
              onChange={() => setColor(choice)}
            />
          ))}
        </div>
        <label>
          Width
          <input
            type="range"
            min={2}
            max={60}
            value={width}
            onChange={({ target }) => setWidth(Number(target.value))}
          />
        </label>
        <button type="button" className="button slim" onClick={() => void attempt(() => client.resetDrawing(id))}>
          <Eraser size={16} />
          Empty the board
        </button>
      </div>
    </Panel>
  );
}

const round = (value: number): number => Math.round(value * 10) / 10;

function stroke(context: CanvasRenderingContext2D, { color, width, points }: Stroke): void {
  context.strokeStyle = color;
  context.lineWidth = width;
  context.lineCap = context.lineJoin = 'round';
  context.beginPath();
  for (let at = 0; at + 1 < points.length; at += 2) {
    if (at === 0) context.moveTo(points[0]!, points[1]!);
    else context.lineTo(points[at]!, points[at + 1]!);
  }
  if (points.length === 2) context.lineTo(points[0]! + 0.1, points[1]!);
  context.stroke();
}
