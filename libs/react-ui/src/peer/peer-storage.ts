import { indexedDbStorage } from '@parley/client';

const VERSION = 1;
/** A message of a direct connection. */
export interface KeptMessage {
  readonly own: boolean;
  readonly body: string;
  readonly at: string;
}

/**
 * Keeps the messages of direct connections in this browser, for each pair of users that wants it: at most as many as a
 * panel shows. A browser may forbid it; then nothing is kept.
 */
export class PeerStorage {
  private readonly storage = 'indexedDB' in globalThis ? indexedDbStorage('parley direct') : undefined;

  /** The messages of a pair. Undefined if they are not to be kept. */
  async read(userId: string, partnerId: string): Promise<readonly KeptMessage[] | undefined> {
    const value = await this.storage?.get(keyOf(userId, partnerId)).catch(() => undefined);
    if (typeof value !== 'object' || value === null) return undefined;
    const { version, messages } = value as { version?: unknown; messages?: unknown };
    return version === VERSION && Array.isArray(messages) ? (messages as KeptMessage[]) : undefined;
  }

  /** Resolves with whether it worked. */
  async write(userId: string, partnerId: string, messages: readonly KeptMessage[]): Promise<boolean> {
    const kept = messages.map(({ own, body, at }): KeptMessage => ({ own, body, at }));
    try {
      await this.storage?.set(keyOf(userId, partnerId), { version: VERSION, messages: kept });
      return this.storage !== undefined;
    } catch {
      return false;
    }
  }

  async remove(userId: string, partnerId: string): Promise<void> {
    await this.storage?.delete(keyOf(userId, partnerId)).catch(() => undefined);
  }

  /** Deletes everything of a user. */
  async erase(userId: string): Promise<void> {
    const entries = (await this.storage?.entries(`${userId}/`).catch(() => [])) ?? [];
    for (const [key] of entries) await this.storage?.delete(key).catch(() => undefined);
  }
}

const keyOf = (userId: string, partnerId: string): string => `${userId}/${partnerId}`;
