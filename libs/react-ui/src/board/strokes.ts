import type { Line } from '@parley/contracts';

/** The board's width in its own coordinates, whatever size it is shown in. */
export const WIDTH = 1600;
/** The board's height in its own coordinates. */
export const HEIGHT = 1000;

/** A line as it is drawn: one on the board, or the part of one that is being drawn. */
export type Drawn = Pick<Line, 'id' | 'userId' | 'color' | 'width' | 'points'>;

/** What somebody drew without lifting the pen: it is sent as several lines. */
export type Stroke = readonly string[];

/** Half the width of a finger, in coordinates of the board. */
const REACH = 14;

/** Draws a line. */
export function drawLine(
  context: CanvasRenderingContext2D,
  { color, width, points }: Omit<Drawn, 'id' | 'userId'>,
): void {
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

/** The strokes of a person, in the order of drawing: lines each of which begins where the one before ended. */
export function strokesOf(lines: Iterable<Drawn>, userId: string): Stroke[] {
  const strokes: string[][] = [];
  let before: Drawn | undefined;
  for (const line of lines) {
    if (line.userId !== userId) continue;
    if (before && continues(before, line)) strokes.at(-1)!.push(line.id);
    else strokes.push([line.id]);
    before = line;
  }
  return strokes;
}

const continues = (before: Drawn, { color, width, points }: Drawn): boolean =>
  before.color === color &&
  before.width === width &&
  points.length > 2 &&
  isClose(before.points.at(-2)!, points[0]!) &&
  isClose(before.points.at(-1)!, points[1]!);

/** The server stores coordinates with single precision. */
const isClose = (one: number, other: number): boolean => Math.abs(one - other) < 0.01;

/** The newest of the strokes at a point. */
export function strokeAt(
  lines: ReadonlyMap<string, Drawn>,
  strokes: readonly Stroke[],
  x: number,
  y: number,
): Stroke | undefined {
  return strokes.findLast((stroke) => stroke.some((id) => touches(lines.get(id), x, y)));
}

function touches(line: Drawn | undefined, x: number, y: number): boolean {
  if (!line) return false;
  const { points, width } = line;
  const reach = Math.max(REACH, width / 2);
  if (points.length === 2) return Math.hypot(points[0]! - x, points[1]! - y) <= reach;
  for (let at = 0; at + 3 < points.length; at += 2)
    if (distance(points[at]!, points[at + 1]!, points[at + 2]!, points[at + 3]!, x, y) <= reach) return true;
  return false;
}

/** The distance of a point from a segment. */
function distance(ax: number, ay: number, bx: number, by: number, x: number, y: number): number {
  const [dx, dy] = [bx - ax, by - ay];
  const length = dx * dx + dy * dy;
  const part = length === 0 ? 0 : Math.max(0, Math.min(1, ((x - ax) * dx + (y - ay) * dy) / length));
  return Math.hypot(ax + part * dx - x, ay + part * dy - y);
}

/** The lines as a picture on white paper. */
export async function pictureOf(lines: Iterable<Drawn>): Promise<Blob> {
  const canvas = document.createElement('canvas');
  Object.assign(canvas, { width: WIDTH, height: HEIGHT });
  const context = canvas.getContext('2d')!;
  context.fillStyle = '#fff';
  context.fillRect(0, 0, WIDTH, HEIGHT);
  for (const line of lines) drawLine(context, line);
  return new Promise((resolve, reject) =>
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error('the picture could not be made'))), 'image/png'),
  );
}
