import type { NewLine } from '@parley/contracts';
import { ChevronLeft, ChevronRight, Download, Eraser, MousePointer2, PenLine, Trash2, Undo2 } from 'lucide-react';
import { useEffect, useRef, useState, type KeyboardEvent, type PointerEvent } from 'react';
import { isKey } from '../keys/keys.ts';
import { useClient, useMe } from '../shared/chat.ts';
import { Panel } from '../shared/panel.tsx';
import { attempt } from '../shared/toasts.tsx';
import { drawLine, HEIGHT, pictureOf, strokeAt, strokesOf, WIDTH, type Drawn, type Stroke } from './strokes.ts';
import { useStrings } from '../strings/strings.tsx';

const SEND_INTERVAL_MS = 120;
/** Below the server's limit of 2,000 numbers in a line. */
const MAX_NUMBERS = 600;
/** A slider moves through many widths on the way to the one that is wanted. */
const WIDTH_PAUSE_MS = 250;
const colors = ['#1b1e2b', '#d92d20', '#1570ef', '#12873f', '#e58a00', '#8b3fd1', '#ffffff'] as const;

/**
 * The shared drawing board. Everybody in the conversation sees a line while it is being drawn. What the user drew, they
 * can select, give another colour or width, and take away.
 */
export default function Board({ id, onClose }: { readonly id: string; readonly onClose: () => void }) {
  const { board } = useStrings();
  const client = useClient();
  const me = useMe();
  const canvas = useRef<HTMLCanvasElement>(null);
  const [color, setColor] = useState<string>(colors[0]);
  const [width, setWidth] = useState(6);
  const [isSelecting, setSelecting] = useState(false);
  const [selected, setSelected] = useState<Stroke>([]);
  /** Whether the user has drawn something that is on the board. */
  const [hasOwn, setHasOwn] = useState(false);
  const lines = useRef(new Map<string, Drawn>());
  const pen = useRef<{ readonly pointerId: number; points: number[]; sentAt: number }>(undefined);
  const widthTimer = useRef<ReturnType<typeof setTimeout>>(undefined);

  const ownStrokes = () => strokesOf(lines.current.values(), me.id);
  const repaint = (marked: Stroke = selected) => {
    const context = canvas.current?.getContext('2d');
    if (!context) return;
    context.clearRect(0, 0, WIDTH, HEIGHT);
    for (const line of lines.current.values()) {
      if (marked.includes(line.id)) {
        context.globalAlpha = 0.4;
        drawLine(context, { ...line, color: '#1570ef', width: line.width + 14 });
        context.globalAlpha = 1;
      }
      drawLine(context, line);
    }
    setHasOwn([...lines.current.values()].some(({ userId }) => userId === me.id));
  };
  const latest = useRef(repaint);
  latest.current = repaint;

  const select = (stroke: Stroke) => {
    setSelected(stroke);
    const line = lines.current.get(stroke[0] ?? '');
    if (line) {
      setColor(line.color);
      setWidth(line.width);
    }
    repaint(stroke);
  };

  useEffect(() => {
    let isCurrent = true;
    let resetRev = 0;
    /** Changes that arrive while the board is loaded, whose parts may be older. */
    let late: (() => void)[] | undefined;
    const apply = (change: () => void) => {
      late?.push(change);
      change();
      latest.current();
    };
    const load = () =>
      attempt(async () => {
        late = [];
        const { items, rev } = await client.drawing(id);
        // The board was emptied while its lines were on their way.
        if (!isCurrent || rev < resetRev) return;
        for (const line of items) lines.current.set(line.id, line);
        for (const change of late ?? []) change();
        late = undefined;
        latest.current();
      });
    /** Lines of others are not theirs to change. */
    const each = (ids: readonly string[], userId: string, work: (line: Drawn) => void) => () => {
      for (const lineId of ids) {
        const line = lines.current.get(lineId);
        if (line?.userId === userId) work(line);
      }
    };
    const stops = [
      client.on('drawing:line', ({ conversationId, line }) => {
        if (conversationId !== id || lines.current.has(line.id)) return;
        lines.current.set(line.id, line);
        latest.current();
      }),
      client.on('drawing:changed', ({ conversationId, userId, lineIds, color: newColor, width: newWidth }) => {
        if (conversationId !== id) return;
        const change = {
          ...(newColor !== undefined && { color: newColor }),
          ...(newWidth !== undefined && { width: newWidth }),
        };
        apply(each(lineIds, userId, (line) => lines.current.set(line.id, { ...line, ...change })));
      }),
      client.on('drawing:removed', ({ conversationId, userId, lineIds }) => {
        if (conversationId === id) apply(each(lineIds, userId, (line) => lines.current.delete(line.id)));
      }),
      client.on('drawing:reset', ({ conversationId, rev }) => {
        if (conversationId !== id) return;
        resetRev = rev;
        lines.current.clear();
        latest.current();
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
      clearTimeout(widthTimer.current);
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
    lines.current.set(line.id, { ...line, userId: me.id });
    setHasOwn(true);
    void attempt(() => client.draw(id, line)).then((drawn) => {
      if (drawn) return;
      lines.current.delete(line.id);
      latest.current();
    });
    pen.current = { ...now, points: points.slice(-2), sentAt: performance.now() };
  };
  const down = (event: PointerEvent) => {
    if (event.button !== 0 || pen.current) return;
    if (isSelecting) return select(strokeAt(lines.current, ownStrokes(), ...positionOf(event)) ?? []);
    canvas.current!.setPointerCapture(event.pointerId);
    pen.current = { pointerId: event.pointerId, points: positionOf(event), sentAt: performance.now() };
  };
  const move = (event: PointerEvent) => {
    const now = pen.current;
    if (now?.pointerId !== event.pointerId) return;
    const context = canvas.current!.getContext('2d');
    const events = event.nativeEvent.getCoalescedEvents?.() ?? [];
    for (const pointerEvent of events.length > 0 ? events : [event]) {
      const position = positionOf(pointerEvent);
      if (context) drawLine(context, { color, width, points: [...now.points.slice(-2), ...position] });
      now.points.push(...position);
    }
    if (now.points.length >= MAX_NUMBERS || performance.now() - now.sentAt > SEND_INTERVAL_MS) sendPart(false);
  };
  const up = (event: PointerEvent) => {
    if (pen.current?.pointerId !== event.pointerId) return;
    sendPart(true);
    pen.current = undefined;
  };

  const remove = (stroke: Stroke) => {
    const removed = stroke.flatMap((lineId) => lines.current.get(lineId) ?? []);
    if (removed.length === 0) return;
    for (const line of removed) lines.current.delete(line.id);
    select([]);
    void attempt(() => client.removeLines(id, stroke)).then((done) => {
      if (done) return;
      for (const line of removed) lines.current.set(line.id, line);
      latest.current();
    });
  };
  const change = (changes: { readonly color?: string; readonly width?: number }, waitMs = 0) => {
    if (selected.length === 0) return;
    for (const lineId of selected) {
      const line = lines.current.get(lineId);
      if (line) lines.current.set(lineId, { ...line, ...changes });
    }
    repaint();
    const send = () => void attempt(() => client.changeLines(id, selected, changes));
    clearTimeout(widthTimer.current);
    if (waitMs === 0) send();
    else widthTimer.current = setTimeout(send, waitMs);
  };
  const undo = () => pen.current === undefined && remove(ownStrokes().at(-1) ?? []);
  const step = (by: 1 | -1) => {
    const strokes = ownStrokes();
    const at = strokes.findIndex((stroke) => stroke[0] === selected[0]);
    const next = at < 0 ? strokes.length - 1 : (at + by + strokes.length) % strokes.length;
    setSelecting(true);
    select(strokes[next] ?? []);
  };
  const choose = (selecting: boolean) => {
    setSelecting(selecting);
    if (!selecting) select([]);
  };
  const save = () =>
    void attempt(async () => {
      const url = URL.createObjectURL(await pictureOf(lines.current.values()));
      const link = document.createElement('a');
      Object.assign(link, { href: url, download: 'board.png' });
      link.click();
      // The browser has begun to read it by then.
      setTimeout(() => URL.revokeObjectURL(url), 60_000);
    });
  const onKeyDown = (event: KeyboardEvent) => {
    if (isKey('undo', event)) undo();
    else if (selected.length > 0 && (event.key === 'Delete' || event.key === 'Backspace')) remove(selected);
    else if (selected.length > 0 && event.key === 'Escape') select([]);
    else return;
    event.preventDefault();
  };

  return (
    <Panel title={board.title} wide onClose={onClose}>
      <div className="board-desk" onKeyDown={onKeyDown}>
        <div className="board">
          <canvas
            ref={canvas}
            className={isSelecting ? 'selecting' : ''}
            width={WIDTH}
            height={HEIGHT}
            role="img"
            aria-label={board.drawing}
            onPointerDown={down}
            onPointerMove={move}
            onPointerUp={up}
            onPointerCancel={up}
          />
        </div>
        <div className="board-tools">
          <div className="row" role="group" aria-label={board.tool}>
            <button
              type="button"
              className="icon-button small"
              aria-label={board.draw}
              title={board.draw}
              aria-pressed={!isSelecting}
              onClick={() => choose(false)}
            >
              <PenLine size={18} />
            </button>
            <button
              type="button"
              className="icon-button small"
              aria-label={board.select}
              title={board.selectHint}
              aria-pressed={isSelecting}
              onClick={() => choose(true)}
            >
              <MousePointer2 size={18} />
            </button>
          </div>
          <div className="row" role="group" aria-label={board.mine}>
            <button
              type="button"
              className="icon-button small"
              aria-label={board.earlierMine}
              title={board.earlier}
              disabled={!hasOwn}
              onClick={() => step(-1)}
            >
              <ChevronLeft size={18} />
            </button>
            <button
              type="button"
              className="icon-button small"
              aria-label={board.laterMine}
              title={board.later}
              disabled={!hasOwn}
              onClick={() => step(1)}
            >
              <ChevronRight size={18} />
            </button>
            <button
              type="button"
              className="icon-button small"
              aria-label={board.deleteLine}
              title={board.deleteLine}
              disabled={selected.length === 0}
              onClick={() => remove(selected)}
            >
              <Trash2 size={18} />
            </button>
          </div>
          <div className="swatches" role="radiogroup" aria-label={board.color}>
            {colors.map((choice) => (
              <input
                key={choice}
                type="radio"
                name="ink"
                value={choice}
                checked={choice === color}
                aria-label={choice === '#ffffff' ? board.white : board.colorChoice(choice)}
                style={{ '--swatch': choice } as React.CSSProperties}
                onChange={() => {
                  setColor(choice);
                  change({ color: choice });
                }}
              />
            ))}
          </div>
          <label>
            {board.width}
            <input
              type="range"
              min={2}
              max={60}
              value={width}
              onChange={({ target }) => {
                setWidth(Number(target.value));
                change({ width: Number(target.value) }, WIDTH_PAUSE_MS);
              }}
            />
          </label>
          <div className="row board-actions">
            <button
              type="button"
              className="icon-button small"
              aria-label={board.undo}
              title={board.undo}
              aria-keyshortcuts="Control+Z Meta+Z"
              disabled={!hasOwn}
              onClick={undo}
            >
              <Undo2 size={18} />
            </button>
            <button
              type="button"
              className="icon-button small"
              aria-label={board.save}
              title={board.saveHint}
              onClick={save}
            >
              <Download size={18} />
            </button>
            <button type="button" className="button slim" onClick={() => void attempt(() => client.resetDrawing(id))}>
              <Eraser size={16} />
              {board.empty}
            </button>
          </div>
        </div>
      </div>
    </Panel>
  );
}

const round = (value: number): number => Math.round(value * 10) / 10;
