import { useSyncExternalStore } from 'react';
import { readItem, writeItem } from './local-storage.ts';

/** One of several choices, which this browser remembers. */
export class Preference<T extends string> {
  private chosen: T;
  private readonly listeners = new Set<() => void>();

  constructor(
    private readonly key: string,
    readonly choices: readonly T[],
    byDefault: T,
  ) {
    const remembered = readItem(key);
    this.chosen = choices.find((choice) => choice === remembered) ?? byDefault;
  }

  get value(): T {
    return this.chosen;
  }

  choose(choice: T): void {
    this.chosen = choice;
    writeItem(this.key, choice);
    for (const listener of this.listeners) listener();
  }

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  };
}

/** The value of a preference. */
export const usePreference = <T extends string>(preference: Preference<T>): T =>
  useSyncExternalStore(preference.subscribe, () => preference.value);
