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

/** Whether somebody can be looking at the page, or the element: it is visible, has the focus, and no dialog is in front. */
export const isAttended = (within?: Element): boolean =>
  document.visibilityState === 'visible' &&
  document.hasFocus() &&
  [document, rootOf(within)].every((root) => !root.querySelector('dialog:modal'));

/** The document, or the shadow root that the element is in: neither sees into the other. */
function rootOf(element: Element | undefined): Document | ShadowRoot {
  const root = element?.getRootNode();
  return root instanceof ShadowRoot ? root : document;
}

/**
 * Reports the rows of a scroller (`data-seq`) that have been seen: their end was in the viewport when a frame was
 * painted, while the page was visible and had the focus, and neither a dialog nor a panel was in front. Reports rows
 * again and again.
 */
export class SeenRows {
  private frame: number | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private readonly observer = new ResizeObserver(() => this.check());
  /** Waits until what is in front goes away. */
  private readonly cover = new MutationObserver(() => this.check());

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
    this.cover.disconnect();
    this.scroller.removeEventListener('scroll', this.check);
    for (const event of ['focus', 'resize'] as const) removeEventListener(event, this.check);
    document.removeEventListener('visibilitychange', this.check);
  }

  private look(): void {
    const box = this.scroller.getBoundingClientRect();
    const edges = { top: Math.max(box.top, 0), bottom: Math.min(box.bottom, innerHeight) };
    this.cover.disconnect();
    if (!isAttended(this.scroller) || this.isCovered(box.left + box.width / 2, (edges.top + edges.bottom) / 2)) {
      for (const root of new Set([document, rootOf(this.scroller)]))
        this.cover.observe(root, { subtree: true, childList: true, attributeFilter: ['open'] });
      return;
    }
    const rows = Array.from(this.scroller.querySelectorAll<HTMLElement>('[data-seq]'), (row) => ({
      seq: Number(row.dataset['seq']),
      bottom: row.getBoundingClientRect().bottom,
    }));
    const seen = endingWithin(rows, edges);
    if (seen.length > 0) this.onSeen(seen);
  }

  /** Whether something that is not part of the timeline is in front of this point. */
  private isCovered(x: number, y: number): boolean {
    const front = rootOf(this.scroller).elementFromPoint(x, y);
    return front !== null && !this.scroller.parentElement?.contains(front);
  }
}
