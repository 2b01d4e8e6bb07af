import { basePath } from '../shared/base-path.ts';

/** How a tab stands towards a conversation. */
export interface Standing {
  /** The user can see new messages of the conversation in this tab. */
  readonly shows: boolean;
  /** The user is looking at this tab. */
  readonly attended: boolean;
  /** The browser lets this tab play sounds. */
  readonly canPlay: boolean;
}

/** Which tab tells the user of an event. */
export interface Decision {
  readonly isMine: boolean;
  /** The user is looking at some tab. */
  readonly attended: boolean;
}

interface Bid extends Standing {
  readonly event: string;
  readonly conversationId: string;
  readonly tab: number;
  /** Whether the event has reached the tab, which can win only then. */
  readonly knows: boolean;
  /** The tab has told the user. */
  readonly done: boolean;
}

/** How long tabs wait for each other's bids. */
const BIDDING_MS = 200;
/** Events whose bids are remembered, so that a tab that an event reaches late does not tell again. */
const MAX_REMEMBERED = 500;

/**
 * Has one of the user's tabs tell of an event, such as a new message: all tabs bid, and the best bid wins. No tab wins
 * when one shows the conversation. Tabs find each other by a `BroadcastChannel`; where the browser has none, each acts
 * alone.
 */
export class OneTab {
  private readonly tab = Math.random();
  private readonly bids = new Map<string, readonly Bid[]>();
  private readonly channel: BroadcastChannel | undefined;

  constructor(
    userId: string,
    private readonly standingTo: (conversationId: string) => Standing,
  ) {
    if (!('BroadcastChannel' in globalThis)) return;
    this.channel = new BroadcastChannel(`parley notify ${basePath} ${userId}`);
    this.channel.addEventListener('message', ({ data }: MessageEvent<Bid>) => {
      this.note(data);
      const hasBid = this.bids.get(data.event)!.some(({ tab }) => tab === this.tab);
      if (!hasBid) this.bid(data.event, data.conversationId, { knows: false, done: false });
    });
  }

  /** Call it once for each event. `event`: its name, the same in all tabs. */
  async decide(event: string, conversationId: string): Promise<Decision> {
    this.bid(event, conversationId, { knows: true, done: false });
    if (this.channel) await new Promise((resolve) => setTimeout(resolve, BIDDING_MS));
    const bids = this.bids.get(event) ?? [];
    const best = bids.filter(({ knows }) => knows).toSorted(byStanding)[0];
    const isMine = best?.tab === this.tab && !bids.some(({ shows, done }) => shows || done);
    if (isMine) this.bid(event, conversationId, { knows: true, done: true });
    return { isMine, attended: bids.some(({ attended }) => attended) };
  }

  close(): void {
    this.channel?.close();
  }

  private bid(event: string, conversationId: string, state: Pick<Bid, 'knows' | 'done'>): void {
    const bid = { ...this.standingTo(conversationId), ...state, event, conversationId, tab: this.tab };
    this.note(bid);
    this.channel?.postMessage(bid);
  }

  private note(bid: Bid): void {
    const others = (this.bids.get(bid.event) ?? []).filter(({ tab }) => tab !== bid.tab);
    this.bids.set(bid.event, [...others, bid]);
    if (this.bids.size > MAX_REMEMBERED) this.bids.delete(this.bids.keys().next().value!);
  }
}

const byStanding = (one: Bid, other: Bid): number =>
  Number(other.canPlay) - Number(one.canPlay) || Number(other.attended) - Number(one.attended) || one.tab - other.tab;
