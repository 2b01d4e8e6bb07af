/** The end of a row and the edges of what is visible, in pixels from the same origin. */
export interface RowEnd {
  readonly seq: number;
  readonly bottom: number;
}
/** Where a row begins and ends. */
export interface Edges {
  readonly top: number;
  readonly bottom: number;
}

/** Layout has fractions of pixels. */
const TOLERANCE = 1;

/** The rows whose end is visible. Of a row that is higher than the viewport, too, the end has to be. */
export const endingWithin = (rows: Iterable<RowEnd>, { top, bottom }: Edges): number[] =>
  [...rows].filter((row) => row.bottom > top && row.bottom <= bottom + TOLERANCE).map(({ seq }) => seq);

/** Whether somebody can be looking at the page: it is visible and has the focus. */
export const isAttended = (): boolean => document.visibilityState === 'visible' && document.hasFocus();

/**
 * Reports the rows of a scroller (`data-seq`) that have been seen: their end was in the viewport when a frame was
 * painted, while the page was visible and had the focus. Reports rows again and again.
 */
export class SeenRows {
  private frame: number | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private readonly observer = new ResizeObserver(() => this.check());

  constructor(
    private readonly scroller: HTMLElement,
    private readonly onSeen: (seqs: number[]) => void,
  ) {
    scroller.addEventListener('scroll', this.check, { passive: true });
    for (const event of ['focus', 'resize'] as const) addEventListener(event, this.check);
    document.addEventListener('visibilitychange', this.check);
    this.observer.observe(scroller);
    this.check();
  }

  /** Looks once the next frame is painted. Call it when rows have changed. */
  readonly check = (): void => {
    this.frame ??= requestAnimationFrame(() => {
      // Until the frame is painted, rows may still move.
      this.timer = setTimeout(() => {
        this.frame = undefined;
        this.look();
      });
    });
  };

  stop(): void {
    if (this.frame !== undefined) cancelAnimationFrame(this.frame);
    clearTimeout(this.timer);
    this.observer.disconnect();
    this.scroller.removeEventListener('scroll', this.check);
    for (const event of ['focus', 'resize'] as const) removeEventListener(event, this.check);
    document.removeEventListener('visibilitychange', this.check);
  }

  private look(): void {
    if (!isAttended()) return;
    const box = this.scroller.getBoundingClientRect();
    const edges = { top: Math.max(box.top, 0), bottom: Math.min(box.bottom, innerHeight) };
    const rows = Array.from(this.scroller.querySelectorAll<HTMLElement>('[data-seq]'), (row) => ({
      seq: Number(row.dataset['seq']),
      bottom: row.getBoundingClientRect().bottom,
    }));
    const seen = endingWithin(rows, edges);
    if (seen.length > 0) this.onSeen(seen);
  }
}
